"""The pages by themselves, where MLflow is served elsewhere."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from hpo.live.pages import routes

HOSTS = ["127.0.0.1", "localhost"]

app = Starlette(routes=routes(), middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)])
