//! What a service's process is: a command or a container.

use super::{CheckKind, InvalidServiceSpec, ServiceSpec, is_inside, start_of};

/// What a service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program<'a> {
    /// A program of the artifact.
    Command {
        /// Its path inside the artifact.
        program: &'a str,
        /// What it is given.
        arguments: &'a [String],
    },
    /// The archive of a container image, a path inside the artifact.
    Image(&'a str),
}

impl Program<'_> {
    /// The file of the artifact without which nothing can be run.
    pub fn path(&self) -> &str {
        match self {
            Self::Command { program, .. } => program,
            Self::Image(archive) => archive,
        }
    }
}

impl ServiceSpec {
    /// What is to be run.
    ///
    /// # Errors
    /// If the spec names nothing, or two things, or something outside the artifact.
    pub fn program(&self) -> Result<Program<'_>, InvalidServiceSpec> {
        match (self.command.split_first(), &self.image) {
            (None, None) => Err(InvalidServiceSpec::CommandMissing),
            (Some(_), Some(_)) => Err(InvalidServiceSpec::CommandAndImage),
            (Some((program, _)), None) if !is_inside(program) => {
                Err(InvalidServiceSpec::CommandOutside(start_of(program)))
            }
            (Some((program, arguments)), None) => Ok(Program::Command { program, arguments }),
            (None, Some(image)) if !is_inside(image) => {
                Err(InvalidServiceSpec::ImageOutside(start_of(image)))
            }
            (None, Some(_)) if self.health.kind == CheckKind::Command => {
                Err(InvalidServiceSpec::CheckOfImage)
            }
            (None, Some(image)) => Ok(Program::Image(image)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(command: &[&str], image: Option<&str>) -> ServiceSpec {
        let command = command.iter().map(ToString::to_string).collect();
        ServiceSpec {
            image: image.map(str::to_owned),
            ..ServiceSpec::new("//a:b".parse().unwrap(), command)
        }
    }

    #[test]
    fn a_service_runs_a_command_or_an_image_of_its_artifact() {
        let command = spec(&["bin/run", "--fast"], None);
        assert_eq!(command.program().unwrap().path(), "bin/run");
        let image = spec(&[], Some("out/web.tar"));
        assert_eq!(image.program(), Ok(Program::Image("out/web.tar")));
        image.validate().unwrap();
        let text = "target = \"//a:b\"\nimage = \"out/web.tar\"";
        assert_eq!(toml::from_str::<ServiceSpec>(text).unwrap(), image);
        for (command, image, word) in [
            (&[][..], None, "or an `image`"),
            (&["bin/run"], Some("web.tar"), "exclude each other"),
            (&["/bin/sh"], None, "inside the artifact"),
            (&[], Some("../web.tar"), "inside the artifact"),
            (&[], Some(""), "inside the artifact"),
        ] {
            let error = spec(command, image).validate().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let mut checked = spec(&[], Some("web.tar"));
        checked.health.kind = CheckKind::Command;
        checked.health.command = vec!["bin/check".to_owned()];
        assert_eq!(checked.validate(), Err(InvalidServiceSpec::CheckOfImage));
    }
}
