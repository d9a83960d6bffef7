namespace Vmm.Host.Sandbox;

/// <summary>What becomes of one system call.</summary>
/// <param name="Call">The call.</param>
/// <param name="Otherwise">The verdict where no alternative holds.</param>
/// <param name="Alternatives">Any of them lets it through.</param>
internal sealed record SystemCallRule(SystemCall Call, uint Otherwise, params ArgumentTest[] Alternatives)
{
    /// <summary>Lets a call through.</summary>
    public static SystemCallRule Allow(SystemCall call) => new(call, SystemCallFilter.SECCOMP_RET_ALLOW);

    /// <summary>Lets a call fail, but in some cases.</summary>
    public static SystemCallRule Refuse(SystemCall call, int error, params ArgumentTest[] unless) => new(call, SystemCallFilter.SECCOMP_RET_ERRNO | (uint)error, unless);

    /// <summary>Lets a call be the process's last.</summary>
    public static SystemCallRule Kill(SystemCall call) => new(call, SystemCallFilter.SECCOMP_RET_KILL_PROCESS);
}
