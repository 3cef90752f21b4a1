import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Stage, StagedPush, Step } from './stage.ts'
import type { TreeNode } from './trees.ts'

/** Pushes that rest on each other are one step, as what is kept for them has to outlive them. */
export function pushes(name: string, trees: readonly Record<string, TreeNode>[], options: Partial<StagedPush> = {}): Step {
  const run = async (stage: Stage): Promise<void> => {
    const cacheFolder = mkdtempSync(join(tmpdir(), 'colab-escape-golden-'))
    try {
      for (const tree of trees) await stage.push(name, { ...options, tree, cacheFolder })
    } finally {
      rmSync(cacheFolder, { recursive: true, force: true })
    }
  }
  return { run }
}
