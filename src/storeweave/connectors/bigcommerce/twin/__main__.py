"""Run a twin store as a server."""

from storeweave.connectors.bigcommerce.twin.server import main

main()
