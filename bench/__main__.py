"""Where the command `bench` begins: loading the command line takes a second and may be interrupted."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from bench.cli import main as command_line
    except KeyboardInterrupt:
        sys.exit(130)
    command_line()


if __name__ == "__main__":
    main()
