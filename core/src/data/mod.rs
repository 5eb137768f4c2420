//! Episodes and what is made of them: datasets, normaliser, bootstraps, replay.
