"""``python -m telltale_detector``."""

from telltale_detector.app import create_app
from telltale_detector.settings import Settings
from telltale_shared.lifecycle import serve
from telltale_shared.settings import load_settings


def main() -> None:
    """Run the detector."""
    settings = load_settings(Settings)
    serve("detector", create_app(settings), settings, settings.port)


if __name__ == "__main__":
    main()
