"""`python -m dsample_cli`, which also lets `torchrun -m dsample_cli train ...` work."""

from dsample_cli.cli.main import main

if __name__ == "__main__":
    main()
