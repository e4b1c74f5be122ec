"""What the house needs beside the program: the check of the lock, the changelog's fragments. Never imported by src."""
