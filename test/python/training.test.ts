import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'
import { runPython } from './python.ts'

/** Two sessions of a training with real PyTorch, each in a folder of its own and with its own cache. */
const TRAINING = `
import warnings
warnings.simplefilter("default")  # Debian's PyTorch and NumPy have some of their own
import os, torch

def train():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 512), torch.nn.ReLU(), torch.nn.Linear(512, 1))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    x = torch.randn(512, 64); y = x[:, :1] * 2 + x[:, 1:2]
    os.makedirs("runs", exist_ok=True)
    done = 0
    if c.resume("runs"):
        done = max(int(name[:-3]) for name in os.listdir("runs"))
        state = torch.load("runs/%d.pt" % done)
        model.load_state_dict(state["model"]); optimizer.load_state_dict(state["optimizer"])
    with c.Saver("runs") as saver:
        for epoch in range(done + 1, done + 4):
            loss = ((model(x) - y) ** 2).mean()
            optimizer.zero_grad(); loss.backward(); optimizer.step()
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "runs/%d.pt" % epoch)
            saver.save(metrics={"loss": loss, "epoch": epoch})
    return done, float(loss), saver.last

losses = []
for session in ["first", "next"]:
    os.mkdir(session); os.chdir(session); os.environ["COLAB_ESCAPE_CACHE"] = os.path.abspath("cache")
    done, loss, last = train()
    losses.append(loss)
    newest = c.latest("runs")
    print("from", done, newest.files, newest.metrics["epoch"], last.stored_bytes < last.bytes)
    os.chdir("..")
print(losses[1] < losses[0])
`

test('a loop of real PyTorch saves in the background, and the next session goes on from there', () =>
  withFolder(async folder => {
    const { code, stdout, stderr } = await runPython(TRAINING, { cwd: folder })
    expect([code, stdout], stderr).toEqual([0, 'from 0 3 3.0 True\nfrom 3 6 6.0 True\nTrue\n'])
  }))

/**
 * The hooks of the libraries in the order in which they call them, as they document it. The libraries themselves are
 * too large for these tests.
 */
const LIBRARIES = {
  'lightning/__init__.py': '',
  'lightning/pytorch.py': `
class Callback: pass
class Trainer:
    is_global_zero, sanity_checking, current_epoch, global_step = True, False, 0, 0
    def __init__(self, callback): self.callback, self.callback_metrics = callback, {}
    def fit(self, epochs, fails_after=None):
        call = self.callback
        self.sanity_checking = True; call.on_validation_end(self, None); self.sanity_checking = False
        for epoch in range(epochs):
            self.current_epoch = epoch
            for batch in range(2):
                call.on_train_batch_start(self, None, None, batch); self.global_step += 1
                if fails_after == self.global_step:
                    call.on_exception(self, None, RuntimeError()); raise RuntimeError("of the training")
            self.callback_metrics = {"val/loss": 1 / (epoch + 1), "top 5 (acc)": 0.5, "lr": float("nan")}
            call.on_validation_end(self, None); call.on_train_epoch_end(self, None)
            with open("out/%d.ckpt" % epoch, "w") as file: file.write(str(epoch))  # Lightning's own checkpoint comes last
        call.on_fit_end(self, None)
`,
  'keras/__init__.py': `
class callbacks:
    class Callback: pass
class Model:
    def fit(self, epochs, call):
        for epoch in range(epochs):
            call.on_epoch_begin(epoch)
            call.on_epoch_end(epoch, {"loss": 1 / (epoch + 1), "name": "none"})
            with open("out/%d.keras" % epoch, "w") as file: file.write(str(epoch))
        call.on_train_end()
`,
  'transformers.py': `
import types
class TrainerCallback: pass
def train(call, zero=True):
    state, args, control = types.SimpleNamespace(is_world_process_zero=zero, global_step=0), None, None
    for step in range(2):
        state.global_step += 5
        call.on_log(args, state, control, logs={"loss": 2.0 - step})
        call.on_evaluate(args, state, control, metrics={"eval_loss": 1.0 - step / 2, "eval_runtime": 3})
        with open("out/%d.bin" % step, "w") as file: file.write(str(step))
        call.on_save(args, state, control)
    call.on_train_end(args, state, control)
`,
}

test('the callbacks save after the checkpoints, with metrics, at the end and after an exception, on one process', () =>
  withFolder(async folder => {
    makeTree(folder, { ...LIBRARIES, 'out/start': '' })
    const { code, stdout, stderr } = await runPython(
      `
import sys
def told(callback):
    assert callback.saver._thread is None  # it has waited
    newest = c.log(callback.saver._options["name"])[0]
    print(newest.files, newest.message, newest.metrics)
assert not {"keras", "lightning", "transformers", "tensorflow"} & set(sys.modules)
try:
    c.keras_callback.__globals__["_library"]("not_installed", "neither")
except ImportError as error:
    print(error)
lightning = c.lightning_callback("out", name="l")
from lightning.pytorch import Trainer
Trainer(lightning).fit(2)
told(lightning)
failing = c.lightning_callback("out", name="f")
try:
    Trainer(failing).fit(2, fails_after=3)
except RuntimeError as error:
    print(error)
told(failing)
other = Trainer(c.lightning_callback("out", name="nothing")); other.is_global_zero = False; other.fit(1)
keras = c.keras_callback("out", name="k")
sys.modules["keras"].Model().fit(2, keras)
told(keras)
hugging = c.transformers_callback("out", name="t")
sys.modules["transformers"].train(hugging)
told(hugging)
sys.modules["transformers"].train(c.transformers_callback("out", name="nothing"), zero=False)
print(c.latest("nothing"))`,
      { cwd: folder, env: { PYTHONPATH: `${folder}:${join(import.meta.dirname, '../../python')}` } },
    )
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.split('\n')).toEqual([
      'none of these is installed: not_installed, neither',
      expect.stringMatching(/^3 epoch \d, step \d \{'val\/loss': [\d.]+, 'top_5__acc_': 0\.5\}$/),
      'of the training',
      expect.stringMatching(/^3 epoch \d, step \d \{'val\/loss': 1(\.0)?, 'top_5__acc_': 0\.5\}$/),
      expect.stringMatching(/^5 epoch \d \{'loss': [\d.]+\}$/),
      expect.stringMatching(/^7 step \d+ \{'loss': [\d.]+, 'eval_loss': [\d.]+\}$/),
      'None',
      '',
    ])
  }))
