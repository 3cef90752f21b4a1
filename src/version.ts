/** The version of this program, from package.json. */
export const VERSION = typeof __VERSION__ === 'undefined' ? 'unbuilt' : __VERSION__

/** Ends the parsing of the arguments: --version is among them. */
export class VersionAsked extends Error {}
