//! What is observed: the hand, then the objects (robosuite 1.5.2: robots/robot.py
//! `setup_observables`, environments/manipulation/*.py `_setup_observables`).

use super::transforms::{Pose, minus, relative};

/// Length of what is observed of the robot: the point between the fingers (3), the hand's
/// quaternion (4), the fingers (2).
pub const ROBOT: usize = 9;
/// Length of what is observed of an object beside the hand.
pub const OBJECT: usize = 14;

/// Observes objects in the hand's frame, then in the world's: for each its place (3) and
/// quaternion (4) from the hand, then its place and quaternion.
///
/// As upstream, what is seen from the hand is where the object was one observation before (of
/// `before`, into which the objects are put): the sensor that computes it runs before the sensors
/// of the object's place. In an episode's first observation, which has none before, it is zeros.
pub fn from_hand(hand: &Pose, objects: &[Pose], before: &mut Vec<Pose>, to: &mut Vec<f64>) {
    for (i, object) in objects.iter().enumerate() {
        match before.get(i) {
            Some(before) => put(&relative(hand, before), to),
            None => to.extend([0.0; 7]),
        }
        put(object, to);
    }
    objects.clone_into(before);
}

/// A place and a quaternion.
pub fn put(pose: &Pose, to: &mut Vec<f64>) {
    to.extend(pose.position);
    to.extend(pose.rotation);
}

/// The way from a thing to another.
pub fn put_way(from: &Pose, thing: &Pose, to: &mut Vec<f64>) {
    to.extend(minus(thing.position, from.position));
}
