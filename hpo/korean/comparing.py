# ruff: noqa: E501  a sentence on one line is compared with its translation at a glance
"""What `hpo compare` and `hpo replay` tell, in Korean."""

TOLD_ANEW = {
    "their objectives differ: the two values say nothing of each other": "목표가 서로 달라 두 값을 비교할 수 없습니다",
    "whether they have the same data is not known: a trainable tells the fingerprint of its data by `prepare`": "데이터가 같은지 알 수 없습니다: trainable은 `prepare`로 데이터의 지문을 알려 줍니다",
    "their data differ ({one} and {other}): a difference may be of the rows": "데이터가 서로 다릅니다({one}, {other}): 차이는 행 때문일 수 있습니다",
    "searched: {reason}": "탐색: {reason}",
    "settings: {reason}": "설정: {reason}",
    "best: {reason}": "최고: {reason}",
    "none | {value}": "없음 | {value}",
    "{value} | none": "{value} | 없음",
    "no trial came to a regular end ({trials} trials)": "정상적으로 끝난 시도 없음 (시도 {trials}개)",
    "{front} of {trials} trials on the Pareto front, hypervolume {volume} of its own box; {epochs} epochs in {unit}": "시도 {trials}개 중 {front}개가 파레토 프런트, 자기 상자의 하이퍼볼륨 {volume}; 에포크 {epochs}개, {unit}",
    "{metric} {best} in trial {trial} of {trials}; {epochs} epochs in {unit}": "{metric} {best}, 시도 {trials}개 중 {trial}; 에포크 {epochs}개, {unit}",
    "{metric} {best} [{low}, {high}] in trial {trial} of {trials}; {epochs} epochs in {unit}": "{metric} {best} [{low}, {high}], 시도 {trials}개 중 {trial}; 에포크 {epochs}개, {unit}",
    "{value} s": "{value}초",
    "{value} min": "{value}분",
    "{value} h": "{value}시간",
    "{value} days": "{value}일",
    "{reason}, {hours} GPU hours": "{reason}, GPU {hours}시간",
    # hpo replay
    "row {row}: {what} was {then}, is {now}": "{row}행: {what}이(가) {then}이었는데 {now}입니다",
    "{proposals} proposals and {decisions} decisions of {study} taken anew: all as before": "{study}의 제안 {proposals}개와 판단 {decisions}개를 다시 내림: 모두 전과 같음",
    "{proposals} proposals and {decisions} decisions of {study} taken anew: {count} come out otherwise": "{study}의 제안 {proposals}개와 판단 {decisions}개를 다시 내림: {count}개가 다르게 나옴",
    # hpo ui
    "studies are at {address} (Ctrl-C ends it), MLflow is at {mlflow}": "스터디: {address} (Ctrl-C로 끝냄), MLflow: {mlflow}",
    "studies are at {address}, MLflow is at {mlflow} (Ctrl-C ends it)": "스터디: {address}, MLflow: {mlflow} (Ctrl-C로 끝냄)",
}
