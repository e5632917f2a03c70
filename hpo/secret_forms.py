"""What secrets look like: the published forms of keys, and the names under which they are kept.

A new vendor's key is a line in FORMS. A form must have enough of its own not to be a word, a name of a model or a hash.
"""

import re

# Whole secrets, wherever they stand in a text.
FORMS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z ]*PRIVATE KEY[A-Z ]*-----|\Z)",
    "JSON Web Token": r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)*",
    "OpenAI, Anthropic, Stripe": r"\b[spr]k[-_](?=[\w-]*\d)[\w-]{16,}",
    "GitHub": r"\b(?:gh[a-z]_|github_pat_)[A-Za-z0-9_]{16,}",
    "GitLab": r"\bgl(?:pat|dt|rt|cbt|ptt|agent|soat)-[\w-]{16,}",
    "Hugging Face": r"\b(?:hf_|api_org_)[A-Za-z0-9]{16,}",
    "Amazon": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    "Google": r"\b(?:AIza[\w-]{30,}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{16,})",
    "Slack": r"\b(?:xox[a-z]|xapp)-[\w-]{10,}|(?<=hooks\.slack\.com/services/)[\w/]+",
    "Discord": r"(?<=discord\.com/api/webhooks/)[\w/-]+",
    "SendGrid": r"\bSG\.[\w-]{16,}\.[\w-]{16,}",
    "package registries": r"\b(?:npm_[A-Za-z0-9]{30,}|pypi-AgE[\w-]{16,}|dckr_pat_[\w-]{16,})",
    "Databricks": r"\bdapi[a-f0-9]{32}",
    "NVIDIA": r"\bnvapi-[\w-]{20,}",
    "Groq, Replicate, xAI, Perplexity": r"\b(?:gsk_|r8_|xai-|pplx-)[A-Za-z0-9]{20,}",
    "Weights & Biases": r"\bwandb_v\d+_\w{16,}",
    "HashiCorp Vault": r"\bhv[sbr]\.[\w-]{16,}",
    "DigitalOcean": r"\bdo[opr]_v1_[a-f0-9]{32,}",
    "Grafana": r"\bglsa_\w{16,}",
    "age": r"\bAGE-SECRET-KEY-1[A-Z0-9]+",
    "password in a URL": r"(?<=://)[^\s/:@'\"]*:[^\s/'\"]+@",
    "token in a URL": r"(?<=://)[^\s/:@'\"]{16,}@",
    "bearer": r"(?i:(?<=\bbearer ))(?=\S*\d)[^\s'\",]{8,}",
}
FORM = re.compile("|".join(f"(?:{form})" for form in FORMS.values()), re.DOTALL)

# The last words of a name whose value is a secret, whatever it looks like ...
STRONG = (
    r"password|passwd|passphrase|[_-]pwd|secrets?|credentials?|authorization"
    r"|(?:api|access|private|secret|account|encryption|signing|subscription)[_-]?keys?"
)
# ... and of one whose value may as well be a harmless word, as in `pad_token: [PAD]`.
WEAK = r"token|cookie|auth|signature|(?<=[?&])sig|(?<=[?&])key"

STRONG_NAME = re.compile(rf"(?:{STRONG})\Z", re.IGNORECASE)
WEAK_NAME = re.compile(rf"(?:{WEAK})\Z", re.IGNORECASE)

VALUE = r"\"[^\"\n]+\"|'[^'\n]+'|[^\s,;&'\"(){}\[\]<>]+"
# `password = x`, `"password": "x"`, `?token=x`
SIGN = r"['\"]?[ \t]{0,9}(?:=>|:=|=|:)[ \t]{0,9}"
ASSIGNED = re.compile(rf"(?:(?P<strong>{STRONG})|(?P<weak>{WEAK}))(?P<sign>{SIGN})(?P<value>{VALUE})", re.IGNORECASE)
# `--password x`
FLAG = re.compile(rf"(?P<flag>--[\w-]{{0,40}}?(?:{STRONG}|{WEAK})[ ])(?P<value>{VALUE})", re.IGNORECASE)
# `Authorization: Basic x`, `Cookie: a=x; b=y`
HEADER = re.compile(
    rf"(?P<header>\bauthorization{SIGN}['\"]?|\bcookie: )(?P<value>[^\n'\",]+)",
    re.IGNORECASE,
)
