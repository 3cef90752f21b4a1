// Runs one step of a golden repository's recipe for make-golden.ts: `node scripts/run.mjs scripts/golden-step.ts <name>
// <step> <folder>`. It is a process of its own because a recipe may ask for another Node.
import { recipes } from '../test/golden/recipes.ts'
import { runStep } from '../test/golden/stage.ts'

const [name = '', number, folder] = process.argv.slice(2)
const recipe = recipes[name]
const step = recipe?.steps[Number(number)]
if (recipe === undefined || step === undefined || folder === undefined) throw new Error('usage: golden-step.ts <name> <step> <folder>')
await runStep(name, recipe.about, step, Number(number), folder)
