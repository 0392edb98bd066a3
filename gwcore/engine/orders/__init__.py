"""Orders of ours: judged, paced, sent, and followed until their fate is proven. Pure."""
