"""The keystore's protocol (HKP), as key push, key pull and verify speak it."""
