"""Forty secrets of many kinds, each put together here so that no scanner of this repository takes it for a real one."""

from dataclasses import dataclass, field

RANDOM = "Zk3v9QpL8sXw2RtY7mNb4HcJ6gF1dK0a"
HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@dataclass(frozen=True, kw_only=True)
class Secret:
    where: str
    text: str  # as it would stand in a message, a row or a setting
    secret: str  # what must not be seen of it
    environment: dict[str, str] = field(default_factory=dict)


def form(where: str, value: str) -> Secret:
    return Secret(where=where, text=value, secret=value)


def around(where: str, template: str, secret: str) -> Secret:
    return Secret(where=where, text=template.format(secret), secret=secret)


def of_environment(name: str, value: str, template: str = "{}") -> Secret:
    return Secret(where=name, text=f"the server said {value}", secret=value, environment={name: template.format(value)})


PLANTED = [
    form("OpenAI", "sk-" + "proj-" + RANDOM),
    form("Anthropic", "sk-" + "ant-api03-" + RANDOM),
    form("Stripe", "sk_" + "live_" + "51h" + HEX),
    form("GitHub", "ghp_" + "a1B2" * 9),
    form("GitHub, fine-grained", "github_" + "pat_" + "11AB0" * 8),
    form("GitHub in CI", "ghs_" + "c3D4" * 9),
    form("GitLab", "glpat-" + "x1y2z3w4v5u6t7s8r9q0"),
    form("Hugging Face", "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
    form("Amazon", "AKIA" + "IOSFODNN7EXAMPLE"),
    form("Amazon, for a session", "ASIA" + "IOSFODNN7EXAMPLE"),
    form("Google", "AIza" + "SyA1b2C3d4E5f6G7h8I9j0KlMnOpQrStUvW"),
    form("Slack", "xoxb-" + "123456789012-abcdefghijkl"),
    around("Slack, web hook", "https://hooks.slack.com/services/{}", "T00000000/B00000000/XXXXXXXXXXXX"),
    form("SendGrid", "SG." + "abcdefghijklmnop.qrstuvwxyzABCDEF"),
    form("npm", "npm_" + "a1B2c3D4e5F6" * 3),
    form("PyPI", "pypi-" + "AgEIcHlwaS5vcmcCJDEyMzQ1Njc4"),
    form("Databricks", "dapi" + HEX),
    form("NVIDIA", "nvapi-" + "abcdefghij-1234567890_x"),
    form("Groq", "gsk_" + RANDOM),
    form("HashiCorp Vault", "hvs." + "CAESIJlwXyz-0123456789"),
    form("JSON Web Token", "eyJ" + "hbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N"),
    around("private key", "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", "MIIEpAIBAAKCAQEA7"),
    form("no known form", RANDOM),
    around("URL of a database", "postgresql://me:{}@db.example.org:5432/mlflow", "p@ss-word"),
    around("URL of a remote", "https://{}@github.com/me/private.git", "0123456789abcdef0123"),
    around("URL of a file, signed", "https://bucket.s3.amazonaws.com/a.csv?X-Amz-Signature={}&x=1", HEX * 2),
    around("URL of a file, Azure", "https://x.blob.core.windows.net/a.csv?sv=2024&sig={}", "abc123%2Bdef%3D"),
    around("header", "Authorization: Bearer {}", "abcdef-123456"),
    around("header in a dict", "{{'Authorization': 'Basic {}', 'Accept': '*/*'}}", "dXNlcjpwYXNz"),
    around("cookie", "Cookie: session={}", "correct-horse"),
    around("password in words", "login failed for me with password={}", "hunter2"),
    around("password in JSON", '{{"user": "me", "password": "{}"}}', "correct horse battery"),
    around("password of an option", "mysqldump --password {} --user me", "hunter22"),
    around("api key in a repr", "Client(api_key='{}', region='eu')", "k-1"),
    around("secret key of YAML", "aws_secret_access_key: {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    around("token in words", "the token={} has expired", "abcdef12"),
    of_environment("WANDB_API_KEY", HEX + "deadbeef"),
    of_environment("MY_SERVICE_PASSWORD", "correcthorse"),
    of_environment("HF_TOKEN", "plainword7"),
    of_environment("DATABASE_URL", "tr0ub4dor", "postgresql://me:{}@db.example.org/x"),
]
assert len(PLANTED) == 40
