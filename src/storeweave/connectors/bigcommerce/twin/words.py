"""The vocabulary of generated catalogues."""

ADJECTIVES = (
    "Amber", "Bold", "Brisk", "Calm", "Crisp", "Dusky", "Early", "Faded", "Fine", "Frosted", "Gentle", "Golden",
    "Hardy", "Hazel", "Ivory", "Keen", "Lively", "Lofty", "Mellow", "Misty", "Noble", "Nordic", "Plain", "Quiet",
    "Rustic", "Sandy", "Silken", "Smoky", "Snug", "Spare", "Steady", "Sunlit", "Supple", "Tidy", "Velvet", "Vivid",
    "Warm", "Wild", "Winter", "Woven",
)  # fmt: skip
THINGS = (
    "Apron", "Backpack", "Basket", "Belt", "Bench", "Blanket", "Boots", "Bottle", "Bowl", "Cap", "Cardigan", "Chair",
    "Clock", "Coat", "Cushion", "Desk", "Dress", "Gloves", "Hat", "Jacket", "Jar", "Jumper", "Kettle", "Lamp", "Mat",
    "Mirror", "Mug", "Notebook", "Pan", "Planter", "Plate", "Pouch", "Quilt", "Rug", "Sandals", "Scarf", "Shelf",
    "Shirt", "Skirt", "Socks", "Sofa", "Stool", "Table", "Teapot", "Throw", "Towel", "Tray", "Trousers", "Vase",
    "Wallet",
)  # fmt: skip
MATERIALS = (
    "Linen", "Cotton", "Wool", "Oak", "Steel", "Leather", "Bamboo", "Cork", "Felt", "Glass", "Hemp", "Jute",
)  # fmt: skip
COLOURS = (
    "Black", "White", "Navy", "Moss", "Brick", "Sand", "Teal", "Rose", "Slate", "Mustard", "Bleu clair", "茶色",
    "Grün", "Plum", "Ochre", "Ash", "Coral", "Mint", "Rust", "Ink",
)  # fmt: skip
SIZES = ("XS", "S", "M", "L", "XL", "XXL", "3XL", "4XL", "One size", "36½")
BRANDS = (
    "Weft & Warp", "Loomworks", "Norrland", "Casa Tejida", "Große Weberei", "Atelier Été", "織屋", "Bobbin Bros.",
    "Shuttle", "Selvedge", "Tamarack", "Heddle House", "Twill Co", "Saxony", "Madder", "Indigo Yard", "Carder",
    "Spindle", "Flax and Fold", "Nap",
)  # fmt: skip
CATEGORIES = (
    "Home", "Kitchen", "Tableware", "Cups", "Mugs", "Enamel mugs", "Camping mugs", "Garden", "Clothing", "Women",
    "Men", "Children", "Shoes", "Accessories", "Bags", "Travel", "Office", "Paper", "Lighting", "Textiles", "Bath",
    "Bedroom", "Living", "Outdoor", "Küche", "Été", "Sale", "New", "Gifts", "Craft",
)  # fmt: skip
SENTENCES = (
    "Woven by hand on old looms.",
    "Keeps its shape &amp; colour for years.",
    "Wash at 30&nbsp;°C, dry in the shade.",
    "Made from <em>reclaimed</em> material.",
    "Großzügig geschnitten, angenehm zu tragen.",
    "Un classique revisité, doux au toucher.",
    "Comes with a spare button and a small repair kit.",
    "Each piece differs a little from the next.",
    "Packed flat, without plastic.",
    "日本の職人による仕上げ。",
    "Tested for 10,000 cycles.",
    "Suits 5&quot; and 6&quot; frames.",
)
FIELDS = (
    ("Origin", ("Portugal", "Japan", "Österreich", "Perú")),
    ("Care", ("Machine wash", "Hand wash", "Dry clean")),
    ("Season", ("Spring", "Summer", "Autumn", "Winter")),
    ("Certificate", ("GOTS", "FSC", "—")),
    ("Pattern", ("Plain", "Herringbone", "Twill")),
)
