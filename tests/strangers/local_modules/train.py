# the usual names beside the script: utils, logger, model, probes, events
import logger
import utils
from model import Model
import events, probes, agent

log = logger.get("train")
utils.seed_everything(19)
model = Model()
optimizer = utils.make_optimizer(model)
for step in range(20):
    loss = utils.one_step(model, optimizer)
    log.info("step %d loss %r", step, loss)
log.warning("weights %s", utils.digest(model))
print(events.NAME, probes.NAME, agent.NAME, __name__, __file__.endswith("train.py"))
