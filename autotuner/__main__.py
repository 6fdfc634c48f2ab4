"""``python -m autotuner``."""

from autotuner.cli.main import main

if __name__ == "__main__":
    main()
