//! Derives for protege's settings: a field of a struct says everything about a setting.
//!
//! ```ignore
//! #[derive(Settings)]
//! pub struct DsrlConfig {
//!     /// Adam's learning rate.
//!     #[setting(range = 0.0..=1.0, value = 5e-4, paper = 3e-4, source = "DSRL, table 3")]
//!     pub lr: f64,
//! }
//! ```
//!
//! The doc comment is the meaning. `value` holds for every preset that is not named; `range` is
//! for numbers, `source` says where the paper's value comes from, `base` marks settings on whose
//! values others depend, `group` a struct of settings. `needs` is the condition under which a
//! setting, or a group of them, has an effect. `label` and `usual` (a range) are for forms.

mod arguments;
mod choices;

use arguments::Arguments;
use choices::choices_of;
use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, Fields, Ident, Lit, Meta, Result, Type};

/// Gives a struct of settings the constant `FIELDS`, its presets and the check of its ranges.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn settings(input: TokenStream) -> TokenStream {
    expand(input, settings_of)
}

/// Gives an enum of plain variants the constants `ALL` and `CHOICES`, and the method `name`.
#[proc_macro_derive(Choices)]
pub fn choices(input: TokenStream) -> TokenStream {
    expand(input, choices_of)
}

fn expand(input: TokenStream, derive: fn(&DeriveInput) -> Result<Tokens>) -> TokenStream {
    syn::parse(input)
        .and_then(|input| derive(&input))
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn settings_of(input: &DeriveInput) -> Result<Tokens> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(
            input.span(),
            "settings are the fields of a struct",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.span(), "settings have names"));
    };
    let mut descriptions = Vec::new();
    let mut values = Vec::new();
    let mut checks = Vec::new();
    for field in &fields.named {
        let setting = Setting::read(field)?;
        descriptions.push(setting.description()?);
        values.push(setting.value()?);
        checks.extend(setting.check());
    }
    let name = &input.ident;
    // What the root's settings are depends on each other: its presets are not those of its fields.
    let root = Arguments::read(&input.attrs)?.root;
    let (visibility, preset) = if root {
        (quote!(pub), format_ident!("bare"))
    } else {
        (quote!(pub), format_ident!("preset"))
    };
    Ok(quote! {
        impl #name {
            /// What each setting is.
            pub const FIELDS: &'static [crate::settings::Field] = &[#(#descriptions),*];

            /// The settings of a preset, each by itself.
            #visibility fn #preset(preset: crate::settings::Preset) -> Self {
                Self { #(#values),* }
            }

            /// Refuses a setting that is out of its range; `path` is the key of this group.
            pub(crate) fn check_ranges(&self, path: &str) -> crate::Result<()> {
                #(#checks)*
                Ok(())
            }
        }
    })
}

/// One field and what is said about it.
struct Setting<'a> {
    name: &'a Ident,
    of: &'a Type,
    meaning: String,
    arguments: Arguments,
}

impl<'a> Setting<'a> {
    fn read(field: &'a syn::Field) -> Result<Self> {
        let name = field.ident.as_ref();
        Ok(Self {
            name: name.ok_or_else(|| Error::new(field.span(), "a setting has a name"))?,
            of: &field.ty,
            meaning: meaning(&field.attrs),
            arguments: Arguments::read(&field.attrs)?,
        })
    }

    /// The name of the type, without what it is made of.
    fn type_name(&self) -> String {
        match self.of {
            Type::Path(path) => path.path.segments.last(),
            _ => None,
        }
        .map_or_else(String::new, |segment| segment.ident.to_string())
    }

    /// An entry of `FIELDS`.
    fn description(&self) -> Result<Tokens> {
        let Self { name, meaning, .. } = self;
        let Arguments {
            label,
            source,
            base,
            needs,
            ..
        } = &self.arguments;
        if meaning.is_empty() {
            return Err(Error::new(
                name.span(),
                "a setting's doc comment says what it means",
            ));
        }
        let name = name.to_string();
        // A form shows what the settings mean that it has.
        let meaning = if label.is_empty() {
            quote!(crate::settings::prose(#meaning))
        } else {
            quote!(#meaning)
        };
        let kind = self.kind()?;
        let usual = match &self.arguments.usual {
            Some((low, high)) => quote!(Some((#low as f64, #high as f64))),
            None => quote!(None),
        };
        Ok(quote! {
            crate::settings::Field {
                name: #name,
                label: #label,
                meaning: #meaning,
                kind: #kind,
                usual: #usual,
                source: crate::settings::prose(#source),
                base: #base,
                needs: crate::settings::prose(#needs),
            }
        })
    }

    fn kind(&self) -> Result<Tokens> {
        let of = self.of;
        let range = self.arguments.range.as_ref();
        let kind = match (self.type_name().as_str(), range) {
            _ if self.arguments.group => quote!(Group(<#of>::FIELDS)),
            ("usize" | "u64", Some((low, high))) => quote!(Whole { low: #low, high: #high }),
            ("u64", None) => quote!(Whole {
                low: 0,
                high: u64::MAX
            }),
            ("f64", Some((low, high))) => quote!(Number { low: #low, high: #high }),
            ("usize" | "f64", None) => {
                return Err(Error::new(self.name.span(), "a number has a range"));
            }
            ("bool", _) => quote!(Switch),
            ("String", _) => quote!(Text),
            ("Vec", _) => quote!(List),
            _ => quote!(Name(<#of>::CHOICES)),
        };
        Ok(quote!(crate::settings::Kind::#kind))
    }

    /// The field's value in a preset, `name: value`.
    fn value(&self) -> Result<Tokens> {
        let Self { name, of, .. } = self;
        if self.arguments.group {
            return Ok(quote!(#name: <#of>::preset(preset)));
        }
        let typed = |value: &Tokens| match self.type_name().as_str() {
            "String" => quote!(String::from(#value)),
            _ => value.clone(),
        };
        let Arguments {
            value,
            paper,
            cpu,
            tiny,
            ..
        } = &self.arguments;
        let mut presets = Vec::new();
        for (preset, own) in [("Paper", paper), ("Cpu", cpu), ("Tiny", tiny)] {
            let Some(value) = own.as_ref().or(value.as_ref()) else {
                return Err(Error::new(
                    name.span(),
                    format!("no value for the preset {preset}"),
                ));
            };
            let preset = Ident::new(preset, Span::call_site());
            let value = typed(value);
            presets.push(quote!(crate::settings::Preset::#preset => #value));
        }
        if let (Some(value), None, None, None) = (value, paper, cpu, tiny) {
            let value = typed(value);
            return Ok(quote!(#name: #value));
        }
        Ok(quote!(#name: match preset { #(#presets),* }))
    }

    /// The statement that checks the field, where there is something to check.
    fn check(&self) -> Option<Tokens> {
        let name = self.name;
        let key = name.to_string();
        if self.arguments.group {
            return Some(quote! {
                self.#name.check_ranges(&crate::settings::join(path, #key))?;
            });
        }
        let (low, high) = self.arguments.range.as_ref()?;
        Some(quote! {
            crate::settings::within(path, #key, self.#name, #low, #high)?;
        })
    }
}

/// The doc comment in one line.
fn meaning(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        let Meta::NameValue(comment) = &attribute.meta else {
            continue;
        };
        if let (true, Expr::Lit(line)) = (comment.path.is_ident("doc"), &comment.value)
            && let Lit::Str(line) = &line.lit
        {
            lines.push(line.value().trim().to_owned());
        }
    }
    lines.join(" ").trim().to_owned()
}
