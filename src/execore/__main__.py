"""``python -m execore`` is the command line."""

from execore.cli.main import main

if __name__ == "__main__":
    main()
