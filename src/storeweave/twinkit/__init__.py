"""What every twin (a small working imitation of a vendor's API) needs. Vendors' rules live with their connectors."""
