"""What both sides agreed on: bases and the three-way merge that starts from them."""
