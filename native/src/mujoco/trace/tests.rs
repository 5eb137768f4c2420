use super::record::largest;
use super::*;
use safetensors::tensor::TensorView;

const FILE: &[u8] = include_bytes!("../../../tests/fixtures/sim_traces.safetensors");
const KEY: &str = "metaworld/assembly/0";

/// A tensor of a file that is being made.
struct Part {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// The tensors of an episode, by name.
type Parts = BTreeMap<String, Part>;
/// Spoils something in it.
type Change = fn(&mut Parts);

/// The sentence that answers a comparison with an episode after `change`.
fn refusal(change: Change) -> String {
    let file = SafeTensors::deserialize(FILE).unwrap();
    let own = file
        .tensors()
        .into_iter()
        .filter(|(name, _)| name.starts_with(KEY));
    let part = |view: TensorView| Part {
        dtype: view.dtype(),
        shape: view.shape().to_vec(),
        bytes: view.data().to_vec(),
    };
    let mut parts: Parts = own
        .map(|(name, view)| (name[KEY.len() + 1..].to_owned(), part(view)))
        .collect();
    change(&mut parts);
    let views = parts.iter().map(|(name, part)| {
        (
            format!("{KEY}/{name}"),
            TensorView::new(part.dtype, part.shape.clone(), &part.bytes).unwrap(),
        )
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    match Records::new(&bytes, "file")
        .unwrap()
        .compare(KEY)
        .unwrap_err()
    {
        Error::Input(sentence) => sentence,
        other => panic!("{other} is no error of the input"),
    }
}

/// Makes a tensor smaller.
fn cut(parts: &mut Parts, name: &str, shape: &[usize]) {
    let part = parts.get_mut(name).unwrap();
    let bytes = part.bytes.len() / part.shape.iter().product::<usize>();
    part.bytes.truncate(bytes * shape.iter().product::<usize>());
    part.shape = shape.to_vec();
}

/// An incomplete or unfitting record is refused in one sentence that names what is wrong with it.
#[test]
fn incomplete_and_unfitting_records_are_refused_by_name() {
    let table: [(Change, &str); 10] = [
        (|parts| drop(parts.remove("rand_vec")), "rand_vec"),
        (|parts| drop(parts.remove("obs")), "`obs`"),
        (|parts| drop(parts.remove("success")), "`success`"),
        (|parts| drop(parts.remove("actions")), KEY),
        (
            |parts| cut(parts, "actions", &[250, 2]),
            "actions of 4 numbers, not 2",
        ),
        (|parts| cut(parts, "obs", &[251, 18]), "39 here"),
        (|parts| cut(parts, "init/qpos", &[15]), "`qpos`"),
        (|parts| cut(parts, "success", &[249]), "249"),
        (
            |parts| parts.get_mut("success").unwrap().dtype = Dtype::I32,
            "I32",
        ),
        (
            |parts| parts.get_mut("actions").unwrap().bytes[..8].fill(0xff),
            "/actions` has NaN in row 0",
        ),
    ];
    for (change, thing) in table {
        let sentence = refusal(change);
        assert!(
            sentence.contains(thing),
            "{sentence:?} does not name {thing:?}"
        );
    }
}

/// A mistyped key is answered with the nearest, a file of another kind with its name.
#[test]
fn wrong_keys_and_files_are_refused_by_name() {
    let sentence = Records::new(FILE, "file")
        .unwrap()
        .compare("metaworld/asembly/0")
        .unwrap_err()
        .to_string();
    assert!(sentence.contains("`metaworld/assembly/0`"), "{sentence}");
    for bytes in [&b""[..], b"PK\x03\x04 something", &FILE[..FILE.len() / 2]] {
        assert!(
            Records::new(bytes, "x.safetensors")
                .err()
                .unwrap()
                .to_string()
                .contains("x.safetensors")
        );
    }
}

/// A wrong number is a large error, and one that is not finite the largest.
#[test]
fn errors_are_seen() {
    assert_eq!(largest([1.0, 3.0, 2.0].into_iter()), 3.0);
    assert_eq!(largest([1.0, f64::NAN, 2.0].into_iter()), f64::INFINITY);
}
