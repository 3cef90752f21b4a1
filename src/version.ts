/** The version of this program, from package.json. */
export const VERSION = typeof __VERSION__ === 'undefined' ? 'unbuilt' : __VERSION__
