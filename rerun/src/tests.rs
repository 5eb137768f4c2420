//! Recordings are read back with Rerun's own decoder.
use crate::event::{FORMAT, Form, Moment, Part, Pose, Scene, Shape, send};
use re_log_encoding::DecoderApp;
use re_sdk::StoreKind;
use re_sdk::log::{Chunk, LogMsg};
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// A folder of a test's own, which goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("protege-rerun-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> usize {
        std::fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

const ORIGIN: Pose = Pose {
    position: [0.0; 3],
    rotation: [0.0, 0.0, 0.0, 1.0],
};

fn shape(name: &str, form: Form) -> Shape {
    Shape {
        name: name.to_owned(),
        pose: ORIGIN,
        colour: [200, 100, 50, 255],
        form,
    }
}

fn scene() -> Scene {
    let mesh = Form::Mesh {
        vertices: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        triangles: vec![[0, 1, 2]],
    };
    let forms = [
        ("box", Form::Box([0.1, 0.2, 0.3])),
        ("ball", Form::Ellipsoid([0.1; 3])),
        (
            "pill",
            Form::Capsule {
                radius: 0.1,
                length: 0.4,
            },
        ),
        (
            "can",
            Form::Cylinder {
                radius: 0.1,
                length: 0.4,
            },
        ),
        ("mesh", mesh),
    ];
    let hand = Part {
        name: "hand".into(),
        shapes: forms.map(|(name, form)| shape(name, form)).into(),
    };
    let table = Part {
        name: "a table/world".into(),
        shapes: vec![shape("top", Form::Box([1.0, 1.0, 0.1]))],
    };
    Scene {
        title: "a test".into(),
        parts: vec![hand, table],
        joints: vec!["x".into(), "y".into()],
    }
}

/// Twenty moments: the hand moves in each, the table stands still, something is decided in every
/// second one.
fn moments() -> Vec<Moment> {
    let moment = |i: u16| Moment {
        step: i.into(),
        time_s: f64::from(i) * 0.0125,
        episode: 1,
        poses: [
            (
                0,
                Pose {
                    position: [f32::from(i), 0.0, 0.0],
                    ..ORIGIN
                },
            ),
            (1, ORIGIN),
        ]
        .into_iter()
        .take(if i == 0 { 2 } else { 1 })
        .collect(),
        joints: vec![[f64::from(i), 1.0], [0.0, -1.0]],
        picture: Some(vec![137, 80, 78, 71]),
        reward: (i > 0).then_some(0.0),
        success: (i > 0).then_some(i == 19),
        action: (i < 19).then(|| vec![0.5; 4]),
        plan: (i % 2 == 0).then(|| vec![vec![0.25; 4]; 3]),
        note: (i == 0).then(|| "begins".to_owned()),
    };
    (0..20).map(moment).collect()
}

fn encoded(format: &str, scene: &Scene, moments: &[Moment]) -> Vec<u8> {
    let mut bytes = Vec::new();
    send(&mut bytes, &format).unwrap();
    send(&mut bytes, scene).unwrap();
    moments
        .iter()
        .for_each(|moment| send(&mut bytes, moment).unwrap());
    bytes
}

/// The chunks of the recording in a file; those of its layout are left out.
fn chunks(file: &Path) -> Vec<Chunk> {
    let reader = BufReader::new(std::fs::File::open(file).unwrap());
    let messages = DecoderApp::decode_eager(reader)
        .unwrap()
        .map(|message| message.unwrap());
    let chunk = |message: LogMsg| match message {
        LogMsg::ArrowMsg(store, message) if store.kind() == StoreKind::Recording => {
            Some(Chunk::from_arrow_msg(&message).unwrap())
        }
        _ => None,
    };
    messages.filter_map(chunk).collect()
}

/// What was told is in the file: every solid once, and each figure as often as it was told, with
/// its time.
#[test]
fn what_was_told_is_in_the_file() {
    let folder = Folder::new("what_was_told");
    let file = folder.0.join("test.rrd");
    crate::write(&mut &encoded(FORMAT, &scene(), &moments())[..], &file).unwrap();
    let mut rows: BTreeMap<(String, bool), usize> = BTreeMap::new();
    for chunk in chunks(&file) {
        let entity = chunk.entity_path().to_string();
        let once = chunk.is_static();
        let times: Vec<&str> = chunk.timelines().keys().map(|name| name.as_str()).collect();
        assert!(
            once || ["episode", "step", "time"]
                .iter()
                .all(|name| times.contains(name)),
            "{entity} has {times:?}"
        );
        *rows.entry((entity, once)).or_default() += chunk.num_rows();
    }
    let expected = [
        ("/scene/hand", 20),
        ("/scene/a\\ table\\/world", 1),
        ("/joints/position", 20),
        ("/joints/velocity", 20),
        ("/camera", 20),
        ("/reward", 19),
        ("/success", 19),
        ("/action/chosen", 19),
        ("/action/plan/0\\ ahead", 10),
        ("/action/plan/2\\ ahead", 10),
        ("/log", 1),
    ];
    for (entity, count) in expected {
        assert_eq!(
            rows.get(&(entity.to_owned(), false)),
            Some(&count),
            "{entity} of {rows:?}"
        );
    }
    assert!(!rows.contains_key(&("/action/plan/3\\ ahead".to_owned(), false)));
    for solid in [
        "hand/box",
        "hand/ball",
        "hand/pill",
        "hand/can",
        "hand/mesh",
        "a\\ table\\/world/top",
    ] {
        assert!(
            rows.contains_key(&(format!("/scene/{solid}"), true)),
            "{solid} of {rows:?}"
        );
    }
    assert_eq!(folder.files(), 1, "nothing but the file is left");
}

/// Numbers and times come back as they were told.
#[test]
fn numbers_and_times_come_back() {
    let folder = Folder::new("numbers_and_times");
    let file = folder.0.join("test.rrd");
    crate::write(&mut &encoded(FORMAT, &scene(), &moments())[..], &file).unwrap();
    let mut found = BTreeMap::new();
    for chunk in chunks(&file)
        .iter()
        .filter(|chunk| chunk.entity_path().to_string() == "/joints/position" && !chunk.is_static())
    {
        let scalars = re_sdk_types::archetypes::Scalars::descriptor_scalars().component;
        let steps = chunk.timelines()[&"step".into()].times_raw().to_vec();
        let times = chunk.timelines()[&"time".into()].times_raw().to_vec();
        for (row, (step, time)) in steps.into_iter().zip(times).enumerate() {
            let values = chunk
                .component_batch::<re_sdk_types::components::Scalar>(scalars, row)
                .unwrap()
                .unwrap();
            found.insert(
                step,
                (
                    time,
                    values.iter().map(|value| value.0.0).collect::<Vec<f64>>(),
                ),
            );
        }
    }
    let expected = moments().into_iter().map(|m| {
        (
            m.step,
            (
                (m.time_s * 1e9).round() as i64,
                m.joints.iter().map(|joint| joint[0]).collect(),
            ),
        )
    });
    assert_eq!(found, expected.collect());
}

/// What is cut off, of another version or of a part that is not there is refused in words, and
/// leaves no file.
#[test]
fn what_is_damaged_leaves_no_file() {
    let folder = Folder::new("what_is_damaged");
    let whole = encoded(FORMAT, &scene(), &moments());
    let foreign = encoded("protege recording 0", &scene(), &[]);
    let lost = encoded(
        FORMAT,
        &scene(),
        &[Moment {
            poses: vec![(7, ORIGIN)],
            ..Moment::default()
        }],
    );
    let long = [&[255_u8; 4][..], &whole].concat();
    let table: [(&[u8], &str); 6] = [
        (&[], "before it began"),
        (&whole[..whole.len() - 3], "cannot be read"),
        (&whole[..2], "cannot be read"),
        (&foreign, "cargo xtask rerun"),
        (&lost, "part 7"),
        (&long, "too long"),
    ];
    for (mut bytes, word) in table {
        let sentence = crate::write(&mut bytes, &folder.0.join("test.rrd")).unwrap_err();
        assert!(sentence.contains(word), "{sentence}");
        assert_eq!(folder.files(), 0, "{sentence}");
    }
}

/// A corner's normal is the mean of its triangles', the larger ones counting more; a corner of none
/// has one, too.
#[test]
fn normals_point_out_of_the_triangles() {
    let vertices = [
        [0.0; 3],
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
        [9.0; 3],
    ];
    let normals = crate::shapes::normals(&vertices, &[[0, 1, 2], [0, 2, 3]]);
    let half = std::f32::consts::FRAC_1_SQRT_2;
    assert_eq!(normals[1], [0.0, 0.0, 1.0]);
    assert_eq!(normals[3], [1.0, 0.0, 0.0]);
    assert!(
        (normals[0][0] - half).abs() < 1e-6
            && normals[0][1] == 0.0
            && (normals[0][2] - half).abs() < 1e-6
    );
    assert_eq!(normals[4], [0.0, 0.0, 1.0]);
}
