//! Where the suite's scenes come from.

use crate::downloads::Download;

/// Meta-World (MIT).
pub const PACKAGE: Download = Download {
    package: "metaworld",
    version: "3.1.1",
    sha256: &[(
        "any",
        "99e25d9baf97f2f1a19ca89c0d2ca9c6a2b396d9a9be81729de64eedc683f0d3",
    )],
    keep: &["metaworld/assets/", "metaworld-3.1.1.dist-info/"],
    proof: "metaworld/assets/sawyer_xyz/sawyer_pick_place_v3.xml",
};
