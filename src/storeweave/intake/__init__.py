"""How notices come in: the webhook door, polls, feeds. What a notice means is the engine's business."""
