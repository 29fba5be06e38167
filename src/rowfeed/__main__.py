"""`python -m rowfeed`."""

from rowfeed.cli import main

raise SystemExit(main())
