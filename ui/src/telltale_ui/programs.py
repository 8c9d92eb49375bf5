"""What a browser calls itself, in words that its owner knows."""

import re

_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "HeadlessChrome": "Chrome", "Chrome": "Chrome"}
"""Product tokens, the telling ones first: most browsers name others beside themselves."""
_SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS X": "macOS"}


def program_of(user_agent: str) -> str:
    """``Firefox 145 on Windows``; what is no browser keeps the name that it gave itself."""
    products = dict(re.findall(r"([\w.-]+)/(\d+)", user_agent))
    if "Mozilla" not in products:
        return user_agent
    system = next((name for sign, name in _SYSTEMS.items() if sign in user_agent), "")
    system = system or ("Linux" if "Linux" in user_agent or "X11" in user_agent else "")
    name = next((f"{name} {products[sign]}" for sign, name in _BROWSERS.items() if sign in products), "")
    if not name and "Safari" in products:
        name = f"Safari {products.get('Version', '')}".strip()
    return f"{name or 'Browser'} on {system}" if system else name or user_agent
