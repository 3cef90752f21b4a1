/**
 * The version in package.json, inserted by the build. Undeclared when the sources run unbundled: test with `typeof`
 * first.
 */
declare const __VERSION__: string | undefined
