"""`python -m rowfeed`."""

from rowfeed.cli.main import main

raise SystemExit(main())
