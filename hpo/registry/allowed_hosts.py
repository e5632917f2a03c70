"""A web server that answers only to names that it was given: a page in a browser reaches no other (DNS rebinding).

Starlette's own check stops at the first colon, so that `localhost:80@evil.com` passes; here the whole header counts.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

App = Callable[[Any, Any, Any], Awaitable[None]]  # of ASGI: scope, receive, send
REFUSAL = b"this host is not on the list of allowed hosts\n"


class AllowedHosts:
    """Answers 400 unless there is one `Host`, and it is a name of the list, with or without a port."""

    def __init__(self, app: App, hosts: Iterable[str]) -> None:
        self.app = app
        self.allowed = re.compile(rb"(%s)(:[0-9]{1,5})?" % b"|".join(re.escape(host.encode()) for host in hosts))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            named = [value for key, value in scope["headers"] if key == b"host"]
            if len(named) != 1 or not self.allowed.fullmatch(named[0]):
                await send(
                    {"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"text/plain")]}
                )
                await send({"type": "http.response.body", "body": REFUSAL})
                return
        await self.app(scope, receive, send)
