//! Laying a commit's files out for a build.

use crate::{Error, Mirrors};
use model::{Commit, RepositoryName};
use std::path::{Path, PathBuf};

/// Which of a commit's files are laid out.
#[derive(Debug, Clone, Copy)]
pub enum Selection<'a> {
    /// All of them.
    Everything,
    /// Those with these paths, which the commit must have.
    Paths(&'a [&'a str]),
}

impl Mirrors {
    /// Lays a commit's files out in `into`, a folder that does not exist yet or is empty. Submodules
    /// stay empty folders ([`Self::checkout_submodules`] lays them out), and
    /// large files stay pointers ([`Self::checkout_large_files`]). Nothing of git is left in it.
    pub async fn checkout(
        &self,
        name: &RepositoryName,
        commit: &Commit,
        into: &Path,
        what: Selection<'_>,
    ) -> Result<(), Error> {
        self.checkout_by(name, commit, into, into, what).await
    }

    /// The same, with git's index beside the folder `top`, where nothing of the commit's can be.
    pub(crate) async fn checkout_by(
        &self,
        name: &RepositoryName,
        commit: &Commit,
        into: &Path,
        top: &Path,
        what: Selection<'_>,
    ) -> Result<(), Error> {
        self.demand(name)?;
        fs_err::tokio::create_dir_all(into).await?;
        let mut index = top.as_os_str().to_owned();
        index.push(".index");
        let index = PathBuf::from(index);
        let laid_out = self.lay_out(name, commit, into, &index, what).await;
        if let Err(error) = fs_err::tokio::remove_file(&index).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error.into());
        }
        laid_out
    }

    async fn lay_out(
        &self,
        name: &RepositoryName,
        commit: &Commit,
        into: &Path,
        index: &Path,
        what: Selection<'_>,
    ) -> Result<(), Error> {
        let read_tree = |how: &[&str]| {
            self.git_in(name, "lay out a commit")
                .work_tree(into, index)
                .arguments(["read-tree", "--reset"])
                .arguments(how)
                .arguments(["--end-of-options", commit.as_str()])
        };
        let paths = match what {
            Selection::Everything => return read_tree(&["-u"]).run().await.map(|_| ()),
            Selection::Paths(paths) => paths,
        };
        read_tree(&["-i"]).run().await?;
        // By standard input, so that no path can be taken for an option.
        let list: Vec<u8> = paths.iter().flat_map(|path| path.bytes().chain([0])).collect();
        self.git_in(name, "lay out a commit")
            .work_tree(into, index)
            .input(&list)
            .arguments(["checkout-index", "--quiet", "-z", "--stdin"])
            .run()
            .await?;
        Ok(())
    }
}
