"""`make demo`: one story through the whole house, on the laptop's cloud; nothing here is used in production."""
