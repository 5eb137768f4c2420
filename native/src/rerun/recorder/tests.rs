//! What recordings promise, as far as this program goes: what it tells. `rerun/` holds what is made
//! of it.
use super::*;
use crate::engines::{make, scenery};
use crate::episode::{Actor, EpisodeResult, play};
use crate::rerun::event::{Form, receive};
use protege_core::env::catalogue;

/// What is told of one episode or more, and how they went.
fn recorded(
    id: &str,
    engine: &str,
    seeds: &[u64],
) -> (Scene, Vec<EventMoment>, Vec<EpisodeResult>) {
    let mut recorder = Recorder::new(Vec::new(), "a test", scenery(id).unwrap(), None).unwrap();
    let mut env = make(id, engine).unwrap();
    let played = seeds
        .iter()
        .map(|&seed| play(&mut *env, &Actor::Expert, seed, &mut [&mut recorder]).unwrap())
        .collect();
    let bytes = recorder.into_inner();
    let mut rest = &bytes[..];
    assert_eq!(receive::<String>(&mut rest).unwrap().unwrap(), FORMAT);
    let scene = receive(&mut rest).unwrap().unwrap();
    (
        scene,
        std::iter::from_fn(|| receive(&mut rest).unwrap()).collect(),
        played,
    )
}

fn part(scene: &Scene, name: &str) -> u32 {
    scene
        .parts
        .iter()
        .position(|part| part.name == name)
        .unwrap() as u32
}

/// On either engine, an episode is told moment by moment: where the cube is, what the joints do,
/// what was done and meant, what it earned; what does not move is told once.
#[test]
fn an_episode_is_told_moment_by_moment() {
    for engine in [catalogue::RAPIER, catalogue::MUJOCO] {
        let (scene, moments, played) = recorded("lab/lift", engine, &[3]);
        assert_eq!(scene.joints, ["x", "y", "z", "left", "right"]);
        let [cube, table] = ["object", "world"].map(|name| part(&scene, name));
        assert_eq!(
            scene.parts[cube as usize].shapes[0].form,
            Form::Box([0.02; 3])
        );
        assert_eq!(moments.len(), played[0].steps + 1);
        let [first, .., last] = &moments[..] else {
            unreachable!()
        };
        assert_eq!(first.poses.len(), scene.parts.len());
        let told_of = |part: u32| {
            moments
                .iter()
                .filter(|moment| moment.poses.iter().any(|pose| pose.0 == part))
                .count()
        };
        assert_eq!(
            (told_of(table), first.reward, first.success),
            (1, None, None)
        );
        let height = |moment: &EventMoment| {
            moment
                .poses
                .iter()
                .find(|pose| pose.0 == cube)
                .map(|pose| pose.1.position[2])
        };
        assert!(
            (height(first).unwrap() - 0.02).abs() < 0.001 && height(last).unwrap() > 0.04,
            "{engine}"
        );
        assert_eq!(
            (last.reward, last.success, &last.action, &last.plan),
            (Some(1.0), Some(true), &None, &None)
        );
        for (i, moment) in moments.iter().enumerate() {
            assert_eq!(
                (moment.step, moment.episode, moment.joints.len()),
                (i as i64, 1, 5)
            );
            assert!((moment.time_s - 0.0125 * i as f64).abs() < 1e-9);
            assert_eq!(
                moment.plan,
                moment.action.clone().map(|action| vec![action]),
                "an expert means what it does"
            );
            assert_eq!(moment.note.is_some(), i == 0 || i == played[0].steps);
        }
        assert!(last.note.as_ref().unwrap().contains("success"));
    }
}

/// Episodes follow one another on one time line.
#[test]
fn episodes_follow_one_another() {
    let (_, moments, played) = recorded("lab/lift", catalogue::RAPIER, &[3, 4]);
    assert!(
        moments
            .iter()
            .enumerate()
            .all(|(i, moment)| moment.step == i as i64)
    );
    assert_eq!(
        moments.iter().filter(|moment| moment.episode == 2).count(),
        played[1].steps + 1
    );
}

/// Scenes of others have their meshes, every corner of every triangle is there, and names are used
/// once.
#[test]
fn scenes_of_others_have_their_meshes() {
    for (id, robot, joints) in [
        ("metaworld/box-close", "hand", 7),
        ("adroit/door", "palm", 28),
    ] {
        let scenery = scenery(id).unwrap();
        let parts = scenery.parts();
        assert!(
            parts
                .iter()
                .any(|part| part.name == robot && !part.shapes.is_empty()),
            "{id}"
        );
        assert!(scenery.joints().len() >= joints, "{id}");
        let shapes = || parts.iter().flat_map(|part| &part.shapes);
        let meshes = shapes().filter_map(|shape| match &shape.form {
            Form::Mesh {
                vertices,
                triangles,
            } => Some((vertices, triangles)),
            _ => None,
        });
        assert!(meshes.clone().count() > 5, "{id}");
        for (vertices, triangles) in meshes {
            assert!(
                !triangles.is_empty()
                    && triangles
                        .iter()
                        .flatten()
                        .all(|&corner| (corner as usize) < vertices.len()),
                "{id}"
            );
        }
        let mut names: Vec<&str> = parts.iter().map(|part| &part.name[..]).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), parts.len(), "{id}");
        assert!(
            shapes().all(|shape| (norm(shape.pose.rotation) - 1.0).abs() < 1e-4),
            "{id}"
        );
    }
}

fn norm(rotation: [f32; 4]) -> f32 {
    rotation.iter().map(|v| v * v).sum::<f32>().sqrt()
}

/// Where nobody listens any more, the episode ends with a sentence.
#[test]
fn a_recording_that_nobody_hears_ends_in_a_sentence() {
    struct Deaf;
    impl Write for Deaf {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = Recorder::new(Deaf, "a test", scenery("lab/lift").unwrap(), None)
        .err()
        .map(|e| e.to_string());
    assert!(error.is_some_and(|sentence| sentence.contains("recording")));
}
