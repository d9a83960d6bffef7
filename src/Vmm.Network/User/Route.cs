namespace Vmm.Network.User;

/// <summary>Whether there is a way from the guest to an address.</summary>
internal enum Route : byte
{
    /// <summary>There is.</summary>
    Open,

    /// <summary>The machine is there, but nobody listens.</summary>
    Refused,

    /// <summary>There is no such machine.</summary>
    Unreachable,

    /// <summary>The options forbid it.</summary>
    Filtered,

    /// <summary>No machine can have the address: not worth an answer.</summary>
    None,
}
