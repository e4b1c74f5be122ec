"""What ``storeweave init`` writes."""

FIRST_CONFIG = """\
# storeweave.toml - what is kept in agreement with what.
# `storeweave check` tries it, `storeweave plan` shows what it would do, `storeweave serve` does it.
# Secrets are references: ${env:NAME} or ${file:path}.

[hub]
database = "sqlite:///storeweave.db"
# public_url = "https://hub.example.com"   # where BigCommerce reaches us; without it we poll
# env_file = ".env"                        # NAME=value lines for ${env:NAME}

[connections.store-a]
connector = "bigcommerce"
store_hash = "${env:STORE_A_HASH}"         # the part after store- in https://store-HASH.mybigcommerce.com
access_token = "${env:STORE_A_ACCESS_TOKEN}"
# client_secret = "${env:STORE_A_CLIENT_SECRET}"  # verifies webhooks by their signature
# channel_id = 1                           # availability follows the listing on this channel

[connections.store-b]
connector = "bigcommerce"
store_hash = "${env:STORE_B_HASH}"
access_token = "${env:STORE_B_ACCESS_TOKEN}"

[flows.main]
source = "store-a"
destination = "store-b"
kinds = ["category", "brand", "product"]
deletes = "hide"                           # or "delete", or "ignore"
# exclude = ["search_keywords", "variants.price"]

# [flows.main.prices]
# multiply = 1.2
# places = 2
"""
