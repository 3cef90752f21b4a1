import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PACKAGE } from '../../src/util/package-source.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Ways to get or run the package by its name on the npm registry. */
const FROM_REGISTRY =
  /(?:npx|npm exec|pnpm dlx|yarn dlx|bunx)(?: +(?:-y|--yes|-q|-p|--))* +colab-escape(?![\w-]*\.tgz)\b|npm +(?:i|install|add|update)(?: +-{1,2}[\w-]+)* +colab-escape\b(?!-)|npmjs\.com\/package\/colab-escape/

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

test('the pattern knows the ways to name the package, and takes a tarball for none', () => {
  for (const line of ['npx -y colab-escape push', 'npx colab-escape@latest', 'npm install -g colab-escape', 'npm i colab-escape'])
    expect(line).toMatch(FROM_REGISTRY)
  for (const line of ['npm install -g ./colab-escape-0.1.0.tgz', 'npx -y ./colab-escape-0.1.0.tgz', 'colab-escape push'])
    expect(line).not.toMatch(FROM_REGISTRY)
})

test.skipIf(PACKAGE.registry !== undefined)(
  'nobody is told to get the package by a name that is not published, and anybody could take',
  () => {
    const files = execFileSync('git', ['ls-files', '--', 'src', 'docs', 'scripts', 'bin', 'python', 'README.md', 'package.json'], {
      cwd: ROOT,
    })
      .toString()
      .trim()
      .split('\n')
    expect(files.length).toBeGreaterThan(200)
    expect(files.filter(path => FROM_REGISTRY.test(read(path)))).toEqual([])
  },
)
