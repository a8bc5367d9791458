"""Programs that run with a role: rules for whoever may start one, or write one that runs already, as data.

Source: the service authorization reference ("iam:PassRole" as dependent action) and each service's API reference for
which parameter takes a role. Running the program is asked only where nothing else starts it.
"""

from __future__ import annotations

from strongroom.authorization.prover.rule import Rule

_TASKS = "ecs-tasks.amazonaws.com"


def _pass(name: str, service: str, *also: str) -> Rule:
    words = f"passes the role to {name.replace('-', ' ')} and acts through it"
    full = service if "." in service else f"{service}.amazonaws.com"
    return Rule(f"pass-role-{name}", ("iam:PassRole",), "role", "act", words, also=also, service=full)


def _write(name: str, carrier: str, words: str, *actions: str, passing: bool = False) -> Rule:
    return Rule(f"write-{name}", actions, "carrier", "act", words, carrier=carrier, passing=passing)


def _read(name: str, carrier: str, words: str, *actions: str) -> Rule:
    return Rule(f"read-{name}", actions, "carrier", "act", words, carrier=carrier)


#: PassRole with something that runs as the role; `also` is asked on any resource, for its name is the asker's choice.
PASSING: tuple[Rule, ...] = (
    _pass("ec2", "ec2", "ec2:RunInstances"),
    _pass("ec2-associate", "ec2", "ec2:AssociateIamInstanceProfile"),
    _pass("ec2-replace", "ec2", "ec2:ReplaceIamInstanceProfileAssociation"),
    _pass("instance-profile", "ec2", "iam:AddRoleToInstanceProfile"),
    _pass("autoscaling", "ec2", "autoscaling:CreateAutoScalingGroup"),
    _pass("lambda", "lambda", "lambda:CreateFunction", "lambda:InvokeFunction"),
    _pass("lambda-source", "lambda", "lambda:CreateFunction", "lambda:CreateEventSourceMapping"),
    _pass("lambda-permission", "lambda", "lambda:CreateFunction", "lambda:AddPermission"),
    _pass("lambda-update", "lambda", "lambda:UpdateFunctionConfiguration"),
    _pass("ecs", _TASKS, "ecs:RegisterTaskDefinition", "ecs:RunTask"),
    _pass("ecs-override", _TASKS, "ecs:RunTask"),
    _pass("ecs-start", _TASKS, "ecs:StartTask"),
    _pass("ecs-service", _TASKS, "ecs:RegisterTaskDefinition", "ecs:CreateService"),
    _pass("ecs-service-update", _TASKS, "ecs:RegisterTaskDefinition", "ecs:UpdateService"),
    _pass("ecs-schedule", _TASKS, "ecs:RegisterTaskDefinition", "scheduler:CreateSchedule"),
    _pass("ecs-schedule-update", _TASKS, "ecs:RegisterTaskDefinition", "scheduler:UpdateSchedule"),
    _pass("ecs-events", _TASKS, "ecs:RegisterTaskDefinition", "events:PutTargets"),
    _pass("batch", _TASKS, "batch:RegisterJobDefinition", "batch:SubmitJob"),
    _pass("apprunner", "tasks.apprunner", "apprunner:CreateService"),
    _pass("glue", "glue", "glue:CreateJob", "glue:StartJobRun"),
    _pass("glue-update", "glue", "glue:UpdateJob"),
    _pass("glue-endpoint", "glue", "glue:CreateDevEndpoint"),
    _pass("glue-session", "glue", "glue:CreateSession"),
    _pass("cloudformation", "cloudformation", "cloudformation:CreateStack"),
    _pass("cloudformation-update", "cloudformation", "cloudformation:UpdateStack"),
    _pass("cloudformation-change", "cloudformation", "cloudformation:CreateChangeSet"),
    _pass("codebuild", "codebuild", "codebuild:CreateProject", "codebuild:StartBuild"),
    _pass("codebuild-update", "codebuild", "codebuild:UpdateProject"),
    _pass("codebuild-override", "codebuild", "codebuild:StartBuild"),
    _pass("sagemaker", "sagemaker", "sagemaker:CreateNotebookInstance"),
    _pass("sagemaker-training", "sagemaker", "sagemaker:CreateTrainingJob"),
    _pass("sagemaker-processing", "sagemaker", "sagemaker:CreateProcessingJob"),
    _pass("scheduler", "scheduler", "scheduler:CreateSchedule"),
    _pass("scheduler-update", "scheduler", "scheduler:UpdateSchedule"),
    _pass("states", "states", "states:CreateStateMachine", "states:StartExecution"),
    _pass("states-update", "states", "states:UpdateStateMachine"),
    _pass("events", "events", "events:PutTargets"),
    _pass("pipes", "pipes", "pipes:CreatePipe"),
    _pass("automation", "ssm", "ssm:StartAutomationExecution"),
    _pass("emr", "elasticmapreduce", "elasticmapreduce:RunJobFlow"),
    _pass("transfer", "transfer", "transfer:CreateUser"),
    _pass("replication", "s3", "s3:PutReplicationConfiguration"),
    _pass("batch-operations", "batchoperations.s3.amazonaws.com", "s3:CreateJob"),
    _pass("roles-anywhere", "rolesanywhere", "rolesanywhere:CreateTrustAnchor", "rolesanywhere:CreateProfile"),
)
#: What runs with a role already, or holds its credentials.
CARRYING: tuple[Rule, ...] = (
    _write("function", "function", "replaces the function's code", "lambda:UpdateFunctionCode"),
    _write("function-layers", "function", "adds a layer to the function", "lambda:UpdateFunctionConfiguration"),
    _write("function-policy", "function", "lets others change the function", "lambda:AddPermission"),
    _write("task", "task", "runs a command in the task", "ecs:ExecuteCommand"),
    _write("task-override", "task-override", "runs the task with a command of its own", "ecs:RunTask", passing=True),
    _write("task-start", "task-override", "starts the task with a command of its own", "ecs:StartTask", passing=True),
    _write("family", "family", "registers what runs next", "ecs:RegisterTaskDefinition", passing=True),
    _write("family-started", "family-started", "registers what starts next with it", "ecs:RegisterTaskDefinition"),
    _write("image", "image", "replaces the image the task starts from", "ecr:PutImage"),
    _write("schedule", "schedule", "changes what the schedule starts", "scheduler:UpdateSchedule", passing=True),
    _write("rule", "rule", "changes what the rule starts", "events:PutTargets", passing=True),
    _write("instance-session", "instance-session", "opens a session on the instance", "ssm:StartSession"),
    _write("instance-command", "instance-command", "sends the instance a command", "ssm:SendCommand"),
    _write("instance-start-session", "instance", "opens a session on the instance", "ssm:StartSession"),
    _write("instance-send-command", "instance", "sends the instance a command", "ssm:SendCommand"),
    _write("instance-association", "instance", "has the instance run a document", "ssm:CreateAssociation"),
    _write("instance-key", "instance", "puts its key on the instance", "ec2-instance-connect:SendSSHPublicKey"),
    _write("instance-data", "instance", "changes what the instance boots", "ec2:ModifyInstanceAttribute"),
    _write("project", "project", "changes what the project builds", "codebuild:UpdateProject"),
    _write("project-build", "project", "starts a build of its own commands", "codebuild:StartBuild"),
    _write("project-batch", "project", "starts builds of its own commands", "codebuild:StartBuildBatch"),
    _write("job", "job", "changes what the job runs", "glue:UpdateJob", passing=True),
    _write("endpoint", "endpoint", "puts its key on the endpoint", "glue:UpdateDevEndpoint"),
    _write("notebook", "notebook", "opens the notebook", "sagemaker:CreatePresignedNotebookInstanceUrl"),
    _write("machine", "machine", "changes what the state machine does", "states:UpdateStateMachine"),
    _write("document", "document", "changes what the document runs", "ssm:UpdateDocument"),
    _write("stack", "stack", "changes what the stack's role deploys", "cloudformation:UpdateStack"),
    _write(
        "stack-change",
        "stack",
        "changes what the stack's role deploys",
        "cloudformation:CreateChangeSet",
        "cloudformation:ExecuteChangeSet",
    ),
    _write("state", "state", "rewrites the state that the deployer applies", "s3:PutObject"),
    _write("manifest", "manifest", "rewrites the manifest that the job obeys", "s3:PutObject"),
    _read("secret", "secret", "reads the credentials in the secret", "secretsmanager:GetSecretValue"),
    _read("parameter", "parameter", "reads the credentials in the parameter", "ssm:GetParameter"),
    _read("parameters", "parameter", "reads the credentials in the parameter", "ssm:GetParameters"),
    _read("parameter-path", "parameter", "reads the credentials in the parameter", "ssm:GetParametersByPath"),
    _read("parameter-history", "parameter", "reads the credentials in the parameter", "ssm:GetParameterHistory"),
    _read("object", "object", "reads the credentials in the object", "s3:GetObject"),
)
