//! What is said in an attribute.

use proc_macro2::{Span, TokenStream as Tokens, TokenTree};
use syn::parse::ParseStream;
use syn::{Attribute, Error, Ident, Result, Token};

/// What stands in `#[setting(...)]`.
#[derive(Default)]
pub struct Arguments {
    pub value: Option<Tokens>,
    pub paper: Option<Tokens>,
    pub cpu: Option<Tokens>,
    pub tiny: Option<Tokens>,
    pub range: Option<(Tokens, Tokens)>,
    pub usual: Option<(Tokens, Tokens)>,
    pub label: String,
    pub source: String,
    pub needs: String,
    pub base: bool,
    pub group: bool,
    pub root: bool,
}

impl Arguments {
    pub fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut arguments = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("setting") {
                attribute.parse_args_with(|input: ParseStream| arguments.read_list(input))?;
            }
        }
        Ok(arguments)
    }

    fn read_list(&mut self, input: ParseStream) -> Result<()> {
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            match name.to_string().as_str() {
                "base" => self.base = true,
                "group" => self.group = true,
                "root" => self.root = true,
                other => {
                    input.parse::<Token![=]>()?;
                    self.read_value(other, name.span(), input)?;
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }

    fn read_value(&mut self, name: &str, place: Span, input: ParseStream) -> Result<()> {
        match name {
            "value" => self.value = Some(until_comma(input)?),
            "paper" => self.paper = Some(until_comma(input)?),
            "cpu" => self.cpu = Some(until_comma(input)?),
            "tiny" => self.tiny = Some(until_comma(input)?),
            "range" => self.range = Some(bounds(input)?),
            "usual" => self.usual = Some(bounds(input)?),
            "label" => self.label = input.parse::<syn::LitStr>()?.value(),
            "source" => self.source = input.parse::<syn::LitStr>()?.value(),
            "needs" => self.needs = input.parse::<syn::LitStr>()?.value(),
            _ => return Err(Error::new(place, "settings know nothing of that name")),
        }
        Ok(())
    }
}

fn until_comma(input: ParseStream) -> Result<Tokens> {
    let mut tokens = Tokens::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// `low..=high`.
fn bounds(input: ParseStream) -> Result<(Tokens, Tokens)> {
    let mut low = Tokens::new();
    while !input.peek(Token![..=]) {
        low.extend([input.parse::<TokenTree>()?]);
    }
    input.parse::<Token![..=]>()?;
    Ok((low, until_comma(input)?))
}
