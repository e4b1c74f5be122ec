"""Categories by both of the vendor's doors: trees (batches of 50) and the older one (one at a time, default tree)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from storeweave.connectors.bigcommerce.twin import render
from storeweave.connectors.bigcommerce.twin.checks import CATEGORY, checked
from storeweave.connectors.bigcommerce.twin.compose import slug
from storeweave.connectors.bigcommerce.twin.goods import Category, CustomUrl, Tree
from storeweave.connectors.bigcommerce.twin.render import STATUS_PAGE, one
from storeweave.connectors.bigcommerce.twin.shop import Shop
from storeweave.twinkit.router import Route
from storeweave.twinkit.wire import Answer, Call, Refusal, encode

BATCH = 50
DEEPEST = 8
INVALID = "JSON data is missing or invalid"
SHARED = (
    "description",
    "views",
    "sort_order",
    "page_title",
    "meta_keywords",
    "meta_description",
    "layout_file",
    "image_url",
    "is_visible",
    "search_keywords",
    "default_product_sort",
)
TREE_FIELDS = ("category_id", "category_uuid", "tree_id", "parent_id", "name", *SHARED, "url")
OLD_FIELDS = ("id", "parent_id", "name", *SHARED, "custom_url")


def in_tree(category: Category) -> dict[str, Any]:
    """As the trees' door shows it."""
    return {
        "category_id": category.id,
        "category_uuid": category.uuid,
        "tree_id": category.tree_id,
        "parent_id": category.parent_id,
        "name": category.name,
        **{name: getattr(category, name) for name in SHARED},
        "url": {"path": category.url.url, "is_customized": category.url.is_customized},
    }


def old_style(category: Category) -> dict[str, Any]:
    """As the older door shows it."""
    return {
        "id": category.id,
        "parent_id": category.parent_id,
        "name": category.name,
        **{name: getattr(category, name) for name in SHARED},
        "custom_url": category.url,
    }


def create(shop: Shop, body: Any) -> Category:
    """Make one category. Raises Refusal."""
    fields = checked(CATEGORY, body, required=("name",))
    parent = shop.categories.get(fields.get("parent_id") or 0)
    if fields.get("parent_id") and parent is None:
        raise Refusal(422, INVALID, {"parent_id": f"there is no category {fields['parent_id']}"})
    fields["tree_id"] = parent.tree_id if parent is not None else fields.get("tree_id", 0)
    if fields["tree_id"] not in shop.trees:
        raise Refusal(422, INVALID, {"tree_id": "tree_id or parent_id is required"})
    if len(shop.categories) >= shop.settings.max_categories:
        raise Refusal(422, "The store has its 16,000 categories", {"": "too many categories"})
    if parent is not None and len(shop.category_path(parent.id)) >= DEEPEST:
        raise Refusal(422, INVALID, {"parent_id": f"categories are at most {DEEPEST} levels deep"})
    fields.setdefault("parent_id", 0)
    number = shop.next_id("category")
    url = fields.pop("url", CustomUrl(""))
    category = Category(id=number, uuid=str(uuid.UUID(int=shop.rng.getrandbits(128), version=4)), **fields)
    _require_free(shop, category)
    if not url.url:
        path = "/".join(slug(name) for name in (*shop.category_path(category.parent_id), category.name))
        url = CustomUrl(f"/{path}/")
        if shop.free_url(url.url, "category", number) is None:
            url = CustomUrl(f"/{path}-{number}/")
    elif shop.free_url(url.url, "category", number) is None:
        raise Refusal(409, "The url is already in use", {"url": f"{url.url} is already in use"})
    category = replace(category, url=url)
    shop.put_category(category)
    shop.note_creation("category", " > ".join(shop.category_path(number)))
    _announce(shop, "created", category)
    return category


def change(shop: Shop, category_id: Any, body: Any) -> Category:
    """Change one category. Raises Refusal."""
    before = shop.categories.get(category_id)
    if before is None:
        raise Refusal(404, "The resource was not found.", {"category_id": f"there is no category {category_id}"})
    fields = checked(CATEGORY, body)
    fields.pop("tree_id", None)
    if "url" in fields and not fields["url"].url:
        del fields["url"]
    after = replace(before, **fields)
    parent_id = after.parent_id
    if parent_id and parent_id not in shop.categories:
        raise Refusal(422, INVALID, {"parent_id": f"there is no category {parent_id}"})
    depth = len(shop.category_path(parent_id))
    while parent_id:
        if parent_id == after.id:
            raise Refusal(422, INVALID, {"parent_id": "a category cannot be below itself"})
        parent_id = shop.categories[parent_id].parent_id
    if depth >= DEEPEST:
        raise Refusal(422, INVALID, {"parent_id": f"categories are at most {DEEPEST} levels deep"})
    _require_free(shop, after)
    if shop.free_url(after.url.url, "category", after.id) is None:
        raise Refusal(409, "The url is already in use", {"url": f"{after.url.url} is already in use"})
    shop.put_category(after)
    if after != before:
        _announce(shop, "updated", after)
    return after


def remove(shop: Shop, category_id: int) -> int:
    """Delete a category with all below it; their number. Products stay and lose it."""
    gone = [category_id]
    for parent in gone:
        gone += shop.children.get(parent, {})
    for number in gone:
        _announce(shop, "deleted", shop.drop_category(number))
    lost = frozenset(gone)
    for entry in [entry for entry in shop.entries.values() if not lost.isdisjoint(entry.product.categories)]:
        left = tuple(number for number in entry.product.categories if number not in lost)
        shop.put(replace(entry, product=replace(entry.product, categories=left)))
    return len(gone)


def _require_free(shop: Shop, category: Category) -> None:
    held = shop.category_names.get((category.tree_id, category.parent_id, category.name.lower()))
    if held is not None and held != category.id:
        raise Refusal(409, "The category name is a duplicate", {"name": "a category of this name is here already"})


def _announce(shop: Shop, what: str, category: Category) -> None:
    tree = shop.trees.get(category.tree_id)
    shop.announcer.category(what, category.id, category.tree_id, tree.channels if tree is not None else ())


def list_in_trees(shop: Shop, call: Call) -> Answer:
    return _listing(shop, call, "category_", in_tree, TREE_FIELDS)


def list_old_style(shop: Shop, call: Call) -> Answer:
    return _listing(shop, call, "", old_style, OLD_FIELDS)


def _listing(shop: Shop, call: Call, prefix: str, shown: Any, names: Sequence[str]) -> Answer:
    query = call.query
    found = list(shop.categories.values())
    for name, field in ((f"{prefix}id", "id"), ("parent_id", "parent_id"), ("tree_id", "tree_id")):
        for suffix in ("", ":in", ":not_in"):
            wanted = render.numbers(query, f"{name}{suffix}")
            if wanted is not None:
                keep = frozenset(wanted)
                found = [item for item in found if (getattr(item, field) in keep) != (suffix == ":not_in")]
    if "category_uuid:in" in query:
        uuids = query["category_uuid:in"].split(",")
        found = [item for item in found if item.uuid in uuids]
    if "id:greater" in query:
        found = [item for item in found if item.id > render.whole(query, "id:greater", 0)]
    if "id:min" in query:
        found = [item for item in found if item.id >= render.whole(query, "id:min", 0)]
    if "name" in query:
        found = [item for item in found if item.name.lower() == query["name"].strip().lower()]
    if "name:like" in query or "keyword" in query:
        part = query.get("name:like", query.get("keyword", "")).lower().strip("%")
        found = [item for item in found if part in item.name.lower()]
    if "is_visible" in query:
        found = [item for item in found if item.is_visible == (query["is_visible"].lower() in {"1", "true"})]
    page, limit = render.page_of(call)
    chosen = [shown(item) for item in found[(page - 1) * limit : page * limit]]
    fields = render.chosen_fields(call, names)
    if fields is not None:
        always = {"id", "category_id"}
        chosen = [{name: value for name, value in item.items() if name in fields or name in always} for item in chosen]
    return render.listed(
        map(encode, chosen), total=len(found), count=len(chosen), page=page, limit=limit, query=call.query_string
    )


def create_batch(shop: Shop, call: Call) -> Answer:
    return _batch(shop, call, lambda body: in_tree(create(shop, body)), 201)


def update_batch(shop: Shop, call: Call) -> Answer:
    return _batch(shop, call, lambda body: change(shop, body.get("category_id"), body), 200)


def _batch(shop: Shop, call: Call, save: Any, status: int) -> Answer:
    """Good items are saved, bad ones reported by their place: all 200/201, some 207, none 422."""
    del shop
    bodies = call.json()
    if not isinstance(bodies, list) or not bodies or not all(isinstance(body, dict) for body in bodies):
        raise Refusal(422, INVALID, {"": "must be an array of categories"})
    if len(bodies) > BATCH:
        raise Refusal(413, f"At most {BATCH} categories in one batch")
    saved: list[Any] = []
    errors: dict[str, str] = {}
    worst = 422
    for at, body in enumerate(bodies):
        try:
            saved.append(save(body))
        except Refusal as refusal:
            worst = refusal.status
            errors.update({f"{at}.{name}": text for name, text in refusal.errors.items()})
    meta = {"total": len(bodies), "success": len(saved), "failed": len(bodies) - len(saved)}
    body = {"data": saved, "meta": meta} if status == 201 else {"meta": meta}
    if errors:
        failed_status = 207 if saved else (worst if len(bodies) == 1 and worst == 409 else 422)
        title = "Some categories were not saved" if saved else INVALID
        body["errors"] = {"status": failed_status, "title": title, "type": STATUS_PAGE, "errors": errors}
        return Answer(failed_status, encode(body))
    return Answer(status, encode(body))


def delete_batch(shop: Shop, call: Call) -> Answer:
    """By filter; without one it is refused."""
    found: dict[int, None] = {}
    names = {"category_id:in": "id", "tree_id:in": "tree_id", "parent_id:in": "parent_id"}
    given = [name for name in names if name in call.query]
    if not given:
        raise Refusal(422, "At least one filter must be given", {"": "a filter must be supplied"})
    for category in shop.categories.values():
        if all(getattr(category, names[name]) in (render.numbers(call.query, name) or ()) for name in given):
            found[category.id] = None
    for number in found:
        if number in shop.categories:
            remove(shop, number)
    return Answer(202, encode({"meta": {"total": len(found), "success": len(found), "failed": 0}}))


def create_one(shop: Shop, call: Call) -> Answer:
    body = call.json()
    if isinstance(body, dict):
        body = {**body, "tree_id": 1}
        if "custom_url" in body:
            body["url"] = body["custom_url"]
        if "parent_id" not in body:
            raise Refusal(422, INVALID, {"parent_id": "parent_id is required"})
    return one(encode(old_style(create(shop, body))))


def get_one(shop: Shop, call: Call, category_id: int) -> Answer:
    del call
    category = shop.categories.get(category_id)
    if category is None:
        raise Refusal(404, "The resource was not found.")
    return one(encode(old_style(category)))


def update_one(shop: Shop, call: Call, category_id: int) -> Answer:
    body = call.json()
    if isinstance(body, dict) and "custom_url" in body:
        body["url"] = body["custom_url"]
    return one(encode(old_style(change(shop, category_id, body))))


def delete_one(shop: Shop, call: Call, category_id: int) -> Answer:
    del call
    if category_id not in shop.categories:
        raise Refusal(404, "The resource was not found.")
    remove(shop, category_id)
    return Answer(204)


def list_trees(shop: Shop, call: Call) -> Answer:
    trees = list(shop.trees.values())
    ids, channels = render.numbers(call.query, "id:in"), render.numbers(call.query, "channel_id:in")
    if ids is not None:
        trees = [tree for tree in trees if tree.id in ids]
    if channels is not None:
        trees = [tree for tree in trees if not set(channels).isdisjoint(tree.channels)]
    return render.paged(call, trees)


def put_trees(shop: Shop, call: Call) -> Answer:
    bodies = call.json()
    if not isinstance(bodies, list):
        raise Refusal(422, INVALID, {"": "must be an array of trees"})
    saved = []
    for body in bodies:
        number = body.get("id") or shop.next_id("tree")
        old = shop.trees.get(number)
        if body.get("id") and old is None:
            raise Refusal(422, INVALID, {"id": f"there is no tree {number}"})
        channels = tuple(body.get("channels", old.channels if old else ()))
        if any(channel not in shop.channels for channel in channels):
            raise Refusal(422, "The channel was not valid", {"channels": "no such channel"})
        tree = Tree(number, str(body.get("name", old.name if old else f"Tree {number}")), channels)
        shop.trees[number] = tree
        saved.append(tree)
    meta = {"total": len(bodies), "success": len(saved), "failed": 0}
    return Answer(200, encode({"data": saved, "meta": meta}))


def tree_categories(shop: Shop, call: Call, tree_id: int) -> Answer:
    """The whole tree, nested."""
    if tree_id not in shop.trees:
        raise Refusal(404, "The tree was not found.")
    deepest = render.whole(call.query, "depth", DEEPEST)

    def below(parent_id: int, path: tuple[int, ...]) -> list[dict[str, Any]]:
        nodes = []
        for number in shop.children.get(parent_id, {}):
            category = shop.categories[number]
            if category.tree_id == tree_id and len(path) < deepest:
                nodes.append(
                    {
                        "id": number,
                        "parent_id": parent_id,
                        "depth": len(path),
                        "path": [*path, number],
                        "name": category.name,
                        "is_visible": category.is_visible,
                        "url": category.url.url,
                        "children": below(number, (*path, number)),
                    }
                )
        return nodes

    return Answer(200, encode({"data": below(0, ()), "meta": {}}))


_TREES = "/catalog/trees/categories"
_OLD = "/catalog/categories"
ROUTES = [
    Route(method="GET", template=_TREES, handler=list_in_trees, gate="trees"),
    Route(method="POST", template=_TREES, handler=create_batch, gate="trees"),
    Route(method="PUT", template=_TREES, handler=update_batch, gate="trees"),
    Route(method="DELETE", template=_TREES, handler=delete_batch, gate="trees"),
    Route(method="GET", template="/catalog/trees", handler=list_trees),
    Route(method="PUT", template="/catalog/trees", handler=put_trees),
    Route(method="GET", template="/catalog/trees/{tree_id}/categories", handler=tree_categories, gate="tree"),
    Route(method="GET", template=_OLD, handler=list_old_style, gate="categories"),
    Route(method="POST", template=_OLD, handler=create_one, gate="categories"),
    Route(method="GET", template=f"{_OLD}/{{category_id}}", handler=get_one),
    Route(method="PUT", template=f"{_OLD}/{{category_id}}", handler=update_one),
    Route(method="DELETE", template=f"{_OLD}/{{category_id}}", handler=delete_one),
]
