//! Enums whose variants are the values of a setting.

use crate::meaning;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Ident, Result};

pub fn choices_of(input: &DeriveInput) -> Result<Tokens> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(
            input.span(),
            "choices are the variants of an enum",
        ));
    };
    let variants: Vec<&Ident> = data.variants.iter().map(|variant| &variant.ident).collect();
    let names: Vec<String> = variants.iter().map(|variant| kebab_case(variant)).collect();
    let meanings = data.variants.iter().map(|variant| meaning(&variant.attrs));
    let name = &input.ident;
    Ok(quote! {
        impl #name {
            /// All of them.
            pub const ALL: &'static [Self] = &[#(Self::#variants),*];

            /// Their names and meanings.
            pub const CHOICES: &'static [crate::settings::Choice] = &[
                #(crate::settings::Choice {
                    name: #names,
                    meaning: crate::settings::prose(#meanings),
                }),*
            ];

            /// The name that files and commands use.
            pub const fn name(self) -> &'static str {
                match self { #(Self::#variants => #names),* }
            }
        }
    })
}

/// `TdMpc2` is `td-mpc2`, as serde has it.
fn kebab_case(name: &Ident) -> String {
    let mut kebab = String::new();
    for letter in name.to_string().chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}
