//! What pictures promise. Where EGL is missing, there is nothing to test.
