/**
 * From where people get this program: the one place that knows. While it is not on the npm registry, anybody can take
 * its name there, so nobody may be told to install or run it by that name (test/house/package-source.test.ts).
 */
export const PACKAGE = {
  isPublished: false,
  name: 'colab-escape',
  /** What to do to get the newest version. */
  howToUpdate: 'Install the newest colab-escape in the way in which you installed this one.',
  /** Where to read more. */
  documentation: 'README.md and docs/ of the project',
} as { isPublished: boolean; name: string; howToUpdate: string; documentation: string }
