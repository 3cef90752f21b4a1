interface PackageSource {
  name: string
  /** The registry that has the package: only while it is published there, newer versions are asked for. */
  registry: string | undefined
  /** What to do to get the newest version. */
  howToUpdate: string
  /** Where to read more. */
  documentation: string
}

/**
 * From where people get this program: the one place that knows. While it is not published, anybody can take its name in
 * the registry, so nobody may be told to install or run it by that name (test/house/package-source.test.ts).
 */
export const PACKAGE: PackageSource = {
  name: 'colab-escape',
  registry: undefined,
  howToUpdate: 'Install the newest colab-escape in the way in which you installed this one.',
  documentation: 'README.md and docs/ of the project',
}
