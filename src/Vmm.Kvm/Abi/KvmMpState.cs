namespace Vmm.Kvm.Abi;

/// <summary><c>struct kvm_mp_state</c>.</summary>
internal enum KvmMpState : uint
{
    KVM_MP_STATE_RUNNABLE = 0,
    KVM_MP_STATE_UNINITIALIZED = 1,
    KVM_MP_STATE_INIT_RECEIVED = 2,
    KVM_MP_STATE_HALTED = 3,
    KVM_MP_STATE_SIPI_RECEIVED = 4,
}
