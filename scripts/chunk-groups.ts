import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build as bundle, type BuildOptions, type Metafile, type Plugin } from 'esbuild'

const ENTRY = 'src/cli.ts'
const [PUSH, PULL, LOG] = ['push', 'pull', 'log'].map(name => `src/commands/versions/${name}.ts`) as [string, string, string]

/**
 * What is loaded together: what all files of a row import. Node takes up to a millisecond to find, read and link a
 * chunk, and esbuild makes one for each set of entry points that share code, which would be ninety for a push.
 */
const GROUPS: Record<string, string[]> = {
  start: [ENTRY],
  session: ['src/run-command.ts'],
  repository: [PUSH, PULL, LOG],
  pushAndPull: [PUSH, PULL],
  pushAndLog: [PUSH, LOG],
  push: [PUSH],
}

const NAMESPACE = 'group'

/**
 * Makes one chunk of each group. esbuild puts modules into one chunk if the same entry points reach them: each one that
 * reaches a part of a group is made to reach all of it. Threads still load no more than they need.
 */
export async function chunkGroups(options: BuildOptions, root: string): Promise<Plugin> {
  const { metafile } = await bundle({ ...options, entryPoints: [ENTRY], metafile: true, write: false })
  const groups = groupsOf(metafile)
  const added = new Map<string, string>()
  for (const entry of entriesOf(metafile)) {
    const reached = reachedFrom(entry, metafile)
    const imports = [...groups]
      .filter(([, group]) => group.some(file => reached.has(file)))
      .map(([name]) => `\nimport '${NAMESPACE}:${name}'`)
    added.set(join(root, entry), imports.join(''))
  }
  return {
    name: 'chunk groups',
    setup: build => {
      build.onLoad({ filter: /\.ts$/, namespace: 'file' }, async ({ path }) => {
        const imports = added.get(path)
        return imports === undefined ? undefined : { contents: `${await readFile(path, 'utf8')}${imports}`, loader: 'ts' }
      })
      build.onResolve({ filter: new RegExp(`^${NAMESPACE}:`) }, ({ path }) => ({ path, namespace: NAMESPACE }))
      build.onLoad({ filter: /./, namespace: NAMESPACE }, ({ path }) => {
        const files = groups.get(path.slice(NAMESPACE.length + 1))!
        return { contents: files.map(file => `import ${JSON.stringify(join(root, file))}`).join('\n'), resolveDir: root }
      })
    },
  }
}

/** The files of each group that are in no group before it. */
function groupsOf(metafile: Metafile): Map<string, string[]> {
  const placed = new Set([ENTRY])
  return new Map(
    Object.entries(GROUPS).map(([name, roots]) => {
      const [first, ...others] = roots.map(file => reachedFrom(file, metafile))
      const files = [...first!].filter(file => file.startsWith('src/') && !placed.has(file) && others.every(reached => reached.has(file)))
      for (const file of files) placed.add(file)
      return [name, files]
    }),
  )
}

/** The sources of this project that begin a chunk of their own: the program, and what it imports when it needs it. */
function entriesOf({ inputs }: Metafile): Set<string> {
  const late = Object.values(inputs).flatMap(({ imports }) => imports.filter(({ kind }) => kind === 'dynamic-import'))
  return new Set([ENTRY, ...late.map(({ path }) => path).filter(path => path.startsWith('src/'))])
}

/** A file and all that is loaded with it. */
function reachedFrom(file: string, { inputs }: Metafile): Set<string> {
  const reached = new Set([file])
  for (const each of reached)
    for (const { path, kind, external } of inputs[each]!.imports) if (kind !== 'dynamic-import' && external !== true) reached.add(path)
  return reached
}
