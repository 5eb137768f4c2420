//! Solids as Rerun has them.

use crate::event::{Form, Shape};
use re_sdk::AsComponents;
use re_sdk_types::archetypes::{Boxes3D, Capsules3D, Cylinders3D, Ellipsoids3D, Mesh3D};
use re_sdk_types::components::FillMode;

/// The archetype of a shape, at the origin.
pub fn solid(shape: &Shape) -> Box<dyn AsComponents> {
    let colour = [shape.colour];
    match &shape.form {
        Form::Box(half) => Box::new(
            Boxes3D::from_half_sizes([*half])
                .with_fill_mode(FillMode::Solid)
                .with_colors(colour),
        ),
        Form::Ellipsoid(radii) => Box::new(
            Ellipsoids3D::from_half_sizes([*radii])
                .with_fill_mode(FillMode::Solid)
                .with_colors(colour),
        ),
        Form::Capsule { radius, length } => {
            // Rerun's capsules begin at the origin.
            let capsule = Capsules3D::from_lengths_and_radii([*length], [*radius])
                .with_translations([[0.0, 0.0, -length / 2.0]]);
            Box::new(capsule.with_fill_mode(FillMode::Solid).with_colors(colour))
        }
        Form::Cylinder { radius, length } => {
            let cylinder = Cylinders3D::from_lengths_and_radii([*length], [*radius]);
            Box::new(cylinder.with_fill_mode(FillMode::Solid).with_colors(colour))
        }
        Form::Mesh {
            vertices,
            triangles,
        } => {
            let mesh = Mesh3D::new(vertices.iter().copied())
                .with_triangle_indices(triangles.iter().copied());
            Box::new(
                mesh.with_vertex_normals(normals(vertices, triangles))
                    .with_albedo_factor(shape.colour),
            )
        }
    }
}

/// At each corner, the mean of its triangles' normals, the larger ones counting more; without them
/// a mesh has no shades.
pub fn normals(vertices: &[[f32; 3]], triangles: &[[u32; 3]]) -> Vec<[f32; 3]> {
    let mut sums = vec![[0.0_f32; 3]; vertices.len()];
    for corners in triangles
        .iter()
        .map(|triangle| triangle.map(|corner| corner as usize))
    {
        let [Some(a), Some(b), Some(c)] = corners.map(|corner| vertices.get(corner)) else {
            continue;
        };
        let [u, v] = [b, c].map(|end| [0, 1, 2].map(|i| end[i] - a[i]));
        let normal = [
            u[1] * v[2] - u[2] * v[1],
            u[2] * v[0] - u[0] * v[2],
            u[0] * v[1] - u[1] * v[0],
        ];
        for corner in corners {
            sums[corner]
                .iter_mut()
                .zip(normal)
                .for_each(|(sum, part)| *sum += part);
        }
    }
    sums.into_iter().map(unit).collect()
}

fn unit(v: [f32; 3]) -> [f32; 3] {
    let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        v.map(|x| x / length)
    } else {
        [0.0, 0.0, 1.0]
    }
}
