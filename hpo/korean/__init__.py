"""What hpo says on a terminal, in Korean: English sentence -> Korean sentence, with the same places to fill.

SAID stands in the code as `language.say(...)`; TOLD_ANEW was recorded or raised in English, with its values in it.
"""

from hpo.korean import (
    champion,
    comparing,
    data,
    doctor,
    errors,
    help,
    reasons,
    study_file,
    terminal,
    training,
    ways_out,
)

SAID = {**terminal.SAID, **help.SAID, **champion.SAID, **doctor.SAID}
TOLD_ANEW = {
    **help.TOLD_ANEW,
    **reasons.TOLD_ANEW,
    **errors.TOLD_ANEW,
    **study_file.TOLD_ANEW,
    **data.TOLD_ANEW,
    **training.TOLD_ANEW,
    **champion.TOLD_ANEW,
    **doctor.TOLD_ANEW,
    **comparing.TOLD_ANEW,
    **ways_out.TOLD_ANEW,
}
