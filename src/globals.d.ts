/**
 * The version in package.json, written in by the build. Absent where the sources run unbundled: test with `typeof`
 * first.
 */
declare const __VERSION__: string | undefined
